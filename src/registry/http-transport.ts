import http from 'node:http';
import https from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { SlipwayError } from '../core/errors.ts';
import { proxyFor } from './proxy.ts';
import { trustedCertificates } from './trusted-certificates.ts';

/** Bytes to send; `open` is called again when the request is sent again. */
export interface RequestBody {
  readonly length: number;
  open(): AsyncIterable<Uint8Array>;
}

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: RequestBody;
}

/** An answer whose body is still to come. Whoever gets it reads the body to its end or calls `discard`. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  /** Where it came from: the last of the redirects. */
  readonly url: URL;
  readonly body: Readable;
  /** Gives the connection back where the body was read, else closes it. Idempotent. */
  discard(): void;
}

export interface TransportOptions {
  /** For HTTP_PROXY, HTTPS_PROXY, NO_PROXY. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A connection on which nothing moves for this long is given up. */
  readonly idleTimeoutMs?: number;
}

const IDLE_TIMEOUT_MS = 30_000;
const CONNECTIONS_PER_HOST = 8;
const MAX_DRAINED_BYTES = 16 * 1024;

/** Sends single requests over kept-alive connections: no redirects, no credentials, no retries. Errors are Node's own. */
export class HttpTransport implements Disposable {
  readonly #options: TransportOptions;
  readonly #agents = new Map<string, http.Agent>();

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  /** Resolves when the answer's head is there. Aborting `signal` cuts the connection, also while the body is read. */
  send(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
    signal.throwIfAborted();
    const { url, method, body } = request;
    const idleMs = this.#options.idleTimeoutMs ?? IDLE_TIMEOUT_MS;
    const length = body === undefined ? {} : { 'content-length': String(body.length) };
    const client = (url.protocol === 'https:' ? https : http).request(url, {
      method,
      headers: { 'user-agent': 'slipway', 'accept-encoding': 'identity', ...request.headers, ...length },
      agent: this.#agentFor(url),
      signal,
      timeout: idleMs,
    });
    client.on('timeout', () => client.destroy(new IdleError(`nothing came for ${idleMs / 1000} s`)));
    return new Promise((resolve, reject) => {
      client.on('error', reject);
      client.on('response', (incoming) => resolve(responseOf(client, incoming, url)));
      if (body === undefined) client.end();
      // A registry may answer and close before it has the whole body; what counts then is its answer, or the client's own error.
      else pipeline(Readable.from(body.open(), { objectMode: false }), client).catch(reject);
    });
  }

  [Symbol.dispose](): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }

  #agentFor(url: URL): http.Agent {
    const proxy = proxyFor(url, this.#options.env);
    const key = `${url.protocol} ${proxy?.href ?? ''}`;
    const known = this.#agents.get(key);
    if (known !== undefined) return known;
    const agent = makeAgent(url.protocol, proxy);
    this.#agents.set(key, agent);
    return agent;
  }
}

/** A connection on which nothing moved. */
export class IdleError extends Error {
  readonly code = 'ETIMEDOUT';
}

function makeAgent(protocol: string, proxy: URL | undefined): http.Agent {
  const options = {
    keepAlive: true,
    maxSockets: CONNECTIONS_PER_HOST,
    scheduling: 'lifo' as const,
    ...(proxy === undefined ? {} : { proxyEnv: { HTTP_PROXY: proxy.href, HTTPS_PROXY: proxy.href } }),
  };
  if (proxy !== undefined) requireProxySupport(proxy);
  return protocol === 'https:'
    ? new https.Agent({ ...options, secureContext: trustedCertificates() })
    : new http.Agent(options);
}

/** `proxyEnv` came with Node 24.5; an older Node would ignore it and connect directly. */
function requireProxySupport(proxy: URL): void {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > 24 || (major === 24 && minor >= 5)) return;
  throw new SlipwayError(
    'SLIPWAY_PROXY_UNSUPPORTED',
    `the proxy ${proxy.host} cannot be used with Node ${process.versions.node}: it needs 24.5 or later`,
    { hint: 'use a newer Node, or add the registry to NO_PROXY' },
  );
}

/** Whether the rest of a body is cheaper to read than a new connection is to make. */
function isNearlyRead(client: http.ClientRequest, incoming: http.IncomingMessage): boolean {
  if (incoming.complete || client.method === 'HEAD') return true;
  return Number(incoming.headers['content-length'] ?? Number.POSITIVE_INFINITY) <= MAX_DRAINED_BYTES;
}

function responseOf(client: http.ClientRequest, incoming: http.IncomingMessage, url: URL): HttpResponse {
  // The reader gets errors from the stream itself; without a listener one that comes before it reads would end the process.
  incoming.on('error', () => {});
  return {
    status: incoming.statusCode ?? 0,
    headers: incoming.headers,
    url,
    body: incoming,
    discard: () => {
      if (client.writableFinished && isNearlyRead(client, incoming)) incoming.resume();
      else client.destroy();
    },
  };
}
