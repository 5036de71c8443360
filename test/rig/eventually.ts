import { setTimeout as sleep } from 'node:timers/promises';

export interface EventuallyOptions {
  /** How long at most, in milliseconds. Default: 5000. */
  readonly within?: number;
  /** What the error says beside the last failure. */
  readonly context?: () => string;
}

/** Tries until it succeeds; the last failure when time is up. */
export async function eventually<Value>(
  attempt: () => Value | Promise<Value>,
  { within = 5000, context = () => '' }: EventuallyOptions = {},
): Promise<Value> {
  const deadline = Date.now() + within;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > deadline)
        throw new Error(`not within ${within} ms: ${String(error)}\n${context()}`, { cause: error });
    }
    await sleep(50);
  }
}
