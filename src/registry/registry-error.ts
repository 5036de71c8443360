import { SlipwayError } from '../core/errors.ts';
import { readBounded } from './bounded-body.ts';
import type { HttpResponse } from './http-transport.ts';

const MAX_ERROR_BYTES = 64 * 1024;
const MAX_REASON_LENGTH = 300;

/** What was wanted from which registry, for messages. */
export interface RequestSubject {
  /** `pull localhost:5000/x:latest`: reads after "cannot". */
  readonly task: string;
  /** The registry's host as the reference has it; what `docker login` takes. */
  readonly domain: string;
}

/** A failed exchange that may go better the next time. `failure` is what the user is told when it does not. */
export class TemporaryFailure extends Error {
  readonly failure: SlipwayError;
  readonly retryAfterMs: number | undefined;

  constructor(failure: SlipwayError, retryAfterMs?: number) {
    super(failure.message, { cause: failure });
    this.failure = failure;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The registry said something that no registry should say. */
export function invalidAnswer(subject: RequestSubject, host: string, what: string): SlipwayError {
  return new SlipwayError('SLIPWAY_REGISTRY_INVALID', `cannot ${subject.task}: ${host} ${what}`, {
    hint: `check that ${subject.domain} is a registry that follows the OCI distribution spec, and that no proxy changes its answers`,
  });
}

/** The error for an answer whose status nobody can use; reads and discards its body. 429 and 5xx are temporary. */
export async function statusError(
  subject: RequestSubject,
  response: HttpResponse,
  signal: AbortSignal,
): Promise<SlipwayError | TemporaryFailure> {
  const { status } = response;
  const reason = await reasonOf(response, signal);
  const said = `${response.url.host} answered ${status}${reason === '' ? '' : ` (${reason})`}`;
  if (status === 401 || status === 403) return denied(subject, said);
  if (status === 404) return notFound(subject, said);
  if (status === 429) return new TemporaryFailure(limited(subject, said), retryAfter(response));
  if (status >= 500 || status === 408) return new TemporaryFailure(unreachable(subject, said), retryAfter(response));
  return new SlipwayError('SLIPWAY_REGISTRY_INVALID', `cannot ${subject.task}: ${said}`);
}

export function denied(subject: RequestSubject, said: string, hint?: string): SlipwayError {
  return new SlipwayError(
    'SLIPWAY_REGISTRY_DENIED',
    `cannot ${subject.task}: access denied, or the repository does not exist: ${said}`,
    { hint: hint ?? `check the name; for a private repository log in first: docker login ${subject.domain}` },
  );
}

function notFound(subject: RequestSubject, said: string): SlipwayError {
  return new SlipwayError('SLIPWAY_IMAGE_NOT_FOUND', `cannot ${subject.task}: not found: ${said}`, {
    hint: 'check the name and the tag',
  });
}

function limited(subject: RequestSubject, said: string): SlipwayError {
  return new SlipwayError('SLIPWAY_REGISTRY_UNREACHABLE', `cannot ${subject.task}: too many requests: ${said}`, {
    hint: `wait, or log in to get a higher limit: docker login ${subject.domain}`,
  });
}

function unreachable(subject: RequestSubject, said: string): SlipwayError {
  return new SlipwayError('SLIPWAY_REGISTRY_UNREACHABLE', `cannot ${subject.task}: ${said}`, {
    hint: `the registry ${subject.domain} is having trouble; try again later`,
  });
}

/** Seconds or a date (RFC 9110, 10.2.3), in milliseconds from now. */
function retryAfter(response: HttpResponse): number | undefined {
  const text = response.headers['retry-after']?.trim();
  if (!text) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) && ms > 0 ? ms : undefined;
}

/** The registry's own words: `MANIFEST_UNKNOWN: manifest unknown`, or the beginning of a body that is plain text. */
async function reasonOf(response: HttpResponse, signal: AbortSignal): Promise<string> {
  const body = await readBounded(response, { limit: MAX_ERROR_BYTES, signal }).catch(() => undefined);
  signal.throwIfAborted();
  const text = body?.toString('utf8') ?? '';
  return printable(distributionErrors(text) ?? (/^\s*</.test(text) ? '' : text));
}

function distributionErrors(text: string): string | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    const { errors, message, details } = JSON.parse(text) as { errors?: unknown; message?: unknown; details?: unknown };
    if (!Array.isArray(errors)) return [message, details].find((said) => typeof said === 'string');
    const said = errors.slice(0, 3).map((error: { code?: unknown; message?: unknown } | null) => {
      const parts = [error?.code, error?.message].filter((part) => typeof part === 'string' && part !== '');
      return parts.join(': ');
    });
    return said.filter((part) => part !== '').join('; ');
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** One short line without control characters, so that a registry cannot write to the user's terminal. */
export function printable(text: string): string {
  const line = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, ' ').trim();
  return line.length > MAX_REASON_LENGTH ? `${line.slice(0, MAX_REASON_LENGTH)}…` : line;
}
