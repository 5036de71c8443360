import { SlipwayError } from '../core/errors.ts';
import type { ContextServices } from './build-context.ts';

/** Whether a context or a Dockerfile is fetched by http; Git URLs are too, unless they were told apart before. */
export function isHttpUrl(text: string): boolean {
  return /^https?:\/\//i.test(text);
}

/** The body of a URL. `SLIPWAY_FETCH_FAILED` with the status, or why there was no answer; credentials in the URL are not shown. */
export async function* fetchBytes(url: string, { fetch, signal }: ContextServices): AsyncGenerator<Uint8Array> {
  const shown = withoutCredentials(url);
  let response: Response;
  try {
    response = await fetch(url, { signal });
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof TypeError)) throw error;
    const why = error.cause instanceof Error ? error.cause.message : error.message;
    throw new SlipwayError('SLIPWAY_FETCH_FAILED', `cannot fetch ${shown}: ${why}`, { cause: error });
  }
  if (!response.ok) throw new SlipwayError('SLIPWAY_FETCH_FAILED', `cannot fetch ${shown}: status ${response.status}`);
  if (response.body !== null) yield* response.body;
}

/** A URL as it may be shown. */
export function withoutCredentials(url: string): string {
  return url.replace(/:\/\/[^/@]*@/, '://');
}
