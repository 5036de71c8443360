import { setTimeout as sleep } from 'node:timers/promises';
import { TemporaryFailure } from './registry-error.ts';

/** How often and how patiently temporary failures are tried again. */
export interface RetryPolicy {
  readonly attempts: number;
  /** Before the second attempt; doubled for each later one, with up to as much again at random. */
  readonly firstDelayMs: number;
  /** A registry that asks to be left alone for longer is not waited for. */
  readonly longestDelayMs: number;
}

export const DEFAULT_RETRY: RetryPolicy = { attempts: 5, firstDelayMs: 250, longestDelayMs: 60_000 };

/** Runs `attempt` until it does not throw TemporaryFailure, or the policy ends; then throws what the user is told. */
export async function withRetries<T>(
  policy: RetryPolicy,
  signal: AbortSignal,
  attempt: (number: number) => Promise<T>,
): Promise<T> {
  for (let number = 1; ; number++) {
    try {
      return await attempt(number);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof TemporaryFailure)) throw error;
      const delay = delayBefore(policy, number, error.retryAfterMs);
      if (number >= policy.attempts || delay > policy.longestDelayMs) throw error.failure;
      await pause(delay, signal);
    }
  }
}

/** Milliseconds to wait after the failed attempt `number`. */
export function delayBefore(policy: RetryPolicy, number: number, retryAfterMs = 0): number {
  const backoff = Math.min(policy.firstDelayMs * 2 ** (number - 1), policy.longestDelayMs / 2);
  return Math.max(backoff * (1 + Math.random()), retryAfterMs);
}

/** Waits; rejects with the signal's reason when it is aborted. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch((error: unknown) => {
    signal.throwIfAborted();
    throw error;
  });
}
