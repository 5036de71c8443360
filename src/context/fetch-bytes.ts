import { dirname } from 'node:path';
import { fetchUrl, readBody } from '../core/fetch-url.ts';
import type { ContextServices } from './build-context.ts';

/** Whether a context or a Dockerfile is fetched by http; Git URLs are too, unless they were told apart before. */
export function isHttpUrl(text: string): boolean {
  return /^https?:\/\//i.test(text) && URL.canParse(text);
}

/** The body of a URL; see `fetchUrl` for its errors. */
export async function* fetchBytes(url: string, services: ContextServices): AsyncGenerator<Uint8Array> {
  const folder = dirname(services.temporaryPath());
  yield* readBody(await fetchUrl(url, services), { url, folder, signal: services.signal });
}
