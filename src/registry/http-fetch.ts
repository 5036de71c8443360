import { Readable } from 'node:stream';
import type { Fetch } from '../core/fetch-url.ts';
import type { HttpResponse, HttpTransport } from './http-transport.ts';

const MAX_REDIRECTS = 20;
const REDIRECTS = [301, 302, 303, 307, 308];
/** Answers that have no body (Fetch Standard, "null body status"). */
const WITHOUT_BODY = [204, 205, 304];

/**
 * GETs over a transport, so that what is fetched by URL goes through the same proxies and trusts the same certificates as registries do, and
 * may come from any port, which Node's own fetch does not allow. Follows redirects to http and https; an Authorization header stays with its origin.
 */
export function fetchOver(transport: HttpTransport): Fetch {
  return async (url, { headers, signal }) => {
    let target = new URL(url);
    let sent = headers;
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      const response = await transport.send({ method: 'GET', url: target, headers: sent }, signal);
      const next = redirectOf(response);
      if (next === undefined) return asResponse(response);
      response.discard();
      if (next.origin !== target.origin) sent = withoutAuthorization(sent);
      target = next;
    }
    throw new Error(`it redirects more than ${MAX_REDIRECTS} times`);
  };
}

function redirectOf({ status, headers, url }: HttpResponse): URL | undefined {
  const { location } = headers;
  if (!REDIRECTS.includes(status) || location === undefined) return undefined;
  const next = URL.parse(location, url.href);
  if (next?.protocol === 'http:' || next?.protocol === 'https:') return next;
  throw new Error('it redirects to what is no http');
}

function withoutAuthorization({ authorization, ...others }: Readonly<Record<string, string>>): Record<string, string> {
  return others;
}

function asResponse(response: HttpResponse): Response {
  const { status, headers } = response;
  const single = Object.entries(headers).filter((header): header is [string, string] => typeof header[1] === 'string');
  const init = { status, headers: Object.fromEntries(single) };
  if (!WITHOUT_BODY.includes(status)) return new Response(Readable.toWeb(response.body) as ReadableStream, init);
  response.discard();
  return new Response(null, init);
}
