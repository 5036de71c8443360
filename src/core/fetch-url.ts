import { SlipwayError } from './errors.ts';
import { checkRoom } from './free-space.ts';
import { IdleError, withIdleLimit } from './idle-limit.ts';

/** GETs a URL over redirects, as the part of the Fetch Standard that is needed. Rejects with any error where there is no answer. */
export type Fetch = (
  url: string,
  options: { readonly headers: Readonly<Record<string, string>>; readonly signal: AbortSignal },
) => Promise<Response>;

/** How a URL is fetched. */
export interface FetchRequest {
  readonly fetch: Fetch;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** How long a server may think. */
  readonly answerMs?: number;
}

/** How the body of an answer is read. */
export interface BodyRequest {
  readonly url: string;
  /** Where the bytes will lie. */
  readonly folder: string;
  readonly signal: AbortSignal;
  /** How long next to nothing may come. */
  readonly idleMs?: number;
}

/** Servers that fetch or make a file before they send it take their time. */
const ANSWER_MS = 240_000;
const IDLE_MS = 60_000;
const ROOM_CHECK_BYTES = 16 * 1024 * 1024;

/**
 * GETs a URL, whose user and password go into a header, over redirects. Resolves to an answer with status 200 to 299 or 304;
 * `SLIPWAY_FETCH_FAILED` with the status, or with why there was no answer. Errors do not show credentials.
 */
export async function fetchUrl(url: string, request: FetchRequest): Promise<Response> {
  const { fetch, headers, signal, answerMs = ANSWER_MS } = request;
  const target = new URL(url);
  const { username, password } = target;
  target.username = '';
  target.password = '';
  const login = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64');
  const authorization = username === '' && password === '' ? {} : { authorization: `Basic ${login}` };
  let response: Response;
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), answerMs);
  try {
    const limited = AbortSignal.any([signal, late.signal]);
    response = await fetch(target.href, { headers: { ...headers, ...authorization }, signal: limited });
  } catch (error) {
    signal.throwIfAborted();
    if (late.signal.aborted) throw failure(url, `no answer came within ${answerMs / 1000} s`, error);
    throw fetchFailure(url, error);
  } finally {
    clearTimeout(timer);
  }
  if (response.ok || response.status === 304) return response;
  await response.body?.cancel();
  throw new SlipwayError('SLIPWAY_FETCH_FAILED', `cannot fetch ${withoutCredentials(url)}: status ${response.status}`);
}

/**
 * The bytes of an answer as they come: no more than the disk of `folder` has room for (`SLIPWAY_DISK_FULL`), nor as slowly as the server likes.
 * `SLIPWAY_FETCH_FAILED` where the connection ends or stands still before them.
 */
export async function* readBody(
  response: Response,
  { url, folder, signal, idleMs = IDLE_MS }: BodyRequest,
): AsyncGenerator<Uint8Array> {
  if (response.body === null) return;
  const task = `fetch ${withoutCredentials(url)}`;
  let unchecked = 0;
  try {
    checkRoom(folder, Number(response.headers.get('content-length') ?? 0), task);
    for await (const chunk of withIdleLimit(response.body, idleMs)) {
      unchecked += chunk.length;
      if (unchecked >= ROOM_CHECK_BYTES) {
        checkRoom(folder, 0, task);
        unchecked = 0;
      }
      yield chunk;
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof IdleError) throw failure(url, `nothing came for ${idleMs / 1000} s`, error);
    throw fetchFailure(url, error);
  }
}

function fetchFailure(url: string, error: unknown): unknown {
  if (error instanceof SlipwayError || !(error instanceof Error)) return error;
  // Node's own fetch reports what went wrong with a connection as the cause of another error.
  return failure(url, error.cause instanceof Error ? error.cause.message : error.message, error);
}

function failure(url: string, why: string, cause: unknown): SlipwayError {
  return new SlipwayError('SLIPWAY_FETCH_FAILED', `cannot fetch ${withoutCredentials(url)}: ${why}`, { cause });
}

/** A URL, or a text with URLs in it, as it may be shown. */
export function withoutCredentials(text: string): string {
  return text.replace(/:\/\/[^/?#\s"']*@/g, '://');
}
