import { SlipwayError } from './errors.ts';

/** How a URL is fetched. */
export interface FetchRequest {
  /** Injected; `globalThis.fetch` or one that answers in its place. */
  readonly fetch: typeof fetch;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/**
 * GETs a URL, whose user and password go into a header, over redirects. Resolves to an answer with status 200 to 299 or 304;
 * `SLIPWAY_FETCH_FAILED` with the status, or with why there was no answer. Errors do not show credentials.
 */
export async function fetchUrl(url: string, { fetch, headers, signal }: FetchRequest): Promise<Response> {
  const target = new URL(url);
  const { username, password } = target;
  target.username = '';
  target.password = '';
  const login = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64');
  const authorization = username === '' && password === '' ? {} : { authorization: `Basic ${login}` };
  let response: Response;
  try {
    response = await fetch(target.href, { headers: { ...headers, ...authorization }, signal });
  } catch (error) {
    signal.throwIfAborted();
    throw fetchFailure(url, error);
  }
  if (response.ok || response.status === 304) return response;
  await response.body?.cancel();
  throw new SlipwayError('SLIPWAY_FETCH_FAILED', `cannot fetch ${withoutCredentials(url)}: status ${response.status}`);
}

/** The bytes of an answer as they come; `SLIPWAY_FETCH_FAILED` where the connection ends before them. */
export async function* readBody(response: Response, url: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    if (response.body !== null) yield* response.body;
  } catch (error) {
    signal.throwIfAborted();
    throw fetchFailure(url, error);
  }
}

/** undici reports what went wrong with a connection as the cause of a TypeError. */
function fetchFailure(url: string, error: unknown): unknown {
  if (!(error instanceof TypeError)) return error;
  const why = error.cause instanceof Error ? error.cause.message : error.message;
  return new SlipwayError('SLIPWAY_FETCH_FAILED', `cannot fetch ${withoutCredentials(url)}: ${why}`, { cause: error });
}

/** A URL, or a text with URLs in it, as it may be shown. */
export function withoutCredentials(text: string): string {
  return text.replace(/:\/\/[^/?#\s"']*@/g, '://');
}
