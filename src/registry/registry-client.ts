import { SlipwayError } from '../core/errors.ts';
import { Authorizer } from './authorizer.ts';
import { connectionFailure } from './connection-failure.ts';
import { refusalOf } from './destination.ts';
import { type CredentialSource, dockerCredentials } from './docker-config.ts';
import { endpointOf } from './endpoint.ts';
import { type HttpRequest, type HttpResponse, HttpTransport, type RequestBody } from './http-transport.ts';
import { invalidAnswer, type RequestSubject, statusError } from './registry-error.ts';
import { DEFAULT_RETRY, type RetryPolicy, withRetries } from './retry.ts';

/** A repository of a registry, in the terms of `Reference`. */
export interface Repository {
  readonly domain: string;
  readonly path: string;
}

export interface RegistryOptions {
  /** For proxies, `DOCKER_CONFIG` and credential helpers. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Default: docker's config.json. */
  readonly credentials?: CredentialSource;
  readonly retry?: RetryPolicy;
  /** A connection on which nothing moves for this long is given up, and a download below 1 KiB in this time. Default 30 s. */
  readonly idleTimeoutMs?: number;
  /** Which domains are spoken to over http. Default: this machine's own. */
  readonly isPlainHttp?: (domain: string) => boolean;
}

/** One request to a registry, in the terms of the distribution spec. */
export interface RegistryRequest {
  readonly method: HttpRequest['method'];
  readonly repository: Repository;
  /** Below `/v2/<repository>/`, or a whole URL that the registry gave (an upload's location, a foreign layer's). */
  readonly target: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: RequestBody;
  readonly actions: 'pull' | 'pull,push';
  /** Further repositories that must be readable (a mount's source), by path. */
  readonly alsoPull?: readonly string[];
  /** What the caller can use; every other status is an error. */
  readonly expect: readonly number[];
  /** For errors: `pull localhost:5000/x:latest`. */
  readonly task: string;
}

const MAX_REDIRECTS = 10;
/** The first answer, a challenge, and a second challenge when a token ended in between. */
const MAX_CHALLENGES = 2;

/**
 * Speaks to registries: finds the endpoint, authorises, follows redirects, tries temporary failures again. Credentials go to the
 * registry's own origin and to the token server it names, nowhere else. Disposing closes the connections.
 */
export class RegistryClient implements Disposable {
  readonly retry: RetryPolicy;
  readonly idleTimeoutMs: number;
  readonly #options: RegistryOptions;
  readonly #transport: HttpTransport;
  readonly #credentials: CredentialSource;
  readonly #authorizers = new Map<string, Authorizer>();

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.retry = options.retry ?? DEFAULT_RETRY;
    this.idleTimeoutMs = options.idleTimeoutMs ?? 30_000;
    this.#transport = new HttpTransport({ env: options.env, idleTimeoutMs: this.idleTimeoutMs });
    this.#credentials = options.credentials ?? dockerCredentials(options.env);
  }

  /** Where the registry of a domain is spoken to. */
  endpoint(domain: string): URL {
    return endpointOf(domain, this.#options.isPlainHttp);
  }

  /** Sends, and again while the failure is temporary. The caller reads the body to its end or discards the answer. */
  send(request: RegistryRequest, signal: AbortSignal): Promise<HttpResponse> {
    return withRetries(this.retry, signal, () => this.sendOnce(request, signal));
  }

  /** Sends once (with challenges and redirects); temporary failures are thrown as TemporaryFailure. */
  async sendOnce(request: RegistryRequest, signal: AbortSignal): Promise<HttpResponse> {
    const subject = { task: request.task, domain: request.repository.domain };
    const first = this.#urlOf(request);
    let url = first;
    let host = url.host;
    try {
      for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
        host = url.host;
        const response = await this.#authorized(request, url, signal);
        const next = redirectOf(request, response, first, subject);
        if (next === undefined) {
          if (request.expect.includes(response.status)) return response;
          throw await statusError(subject, response, signal);
        }
        response.discard();
        url = next;
      }
    } catch (error) {
      const failure = connectionFailure(error, subject, host, signal);
      throw this.#authorizer(subject.domain).explain(failure);
    }
    throw invalidAnswer(subject, first.host, `redirects more than ${MAX_REDIRECTS} times`);
  }

  [Symbol.dispose](): void {
    this.#transport[Symbol.dispose]();
  }

  #urlOf({ target, repository }: RegistryRequest): URL {
    if (target instanceof URL) return target;
    return new URL(`/v2/${repository.path}/${target}`, this.endpoint(repository.domain).href);
  }

  /** One hop. The registry's own origin gets authorisation; every other host gets the bare request. */
  async #authorized(request: RegistryRequest, url: URL, signal: AbortSignal): Promise<HttpResponse> {
    const { method, body, repository, actions, headers } = request;
    const plain: HttpRequest = { method, url, headers: headers ?? {}, ...(body === undefined ? {} : { body }) };
    if (url.origin !== this.endpoint(repository.domain).origin) return await this.#transport.send(plain, signal);
    const subject = { task: request.task, domain: repository.domain };
    const authorizer = this.#authorizer(repository.domain);
    const scopes = [
      `repository:${repository.path}:${actions}`,
      ...(request.alsoPull ?? []).map((path) => `repository:${path}:pull`),
    ];
    for (let challenges = 0; ; challenges++) {
      const used = await authorizer.header(scopes, subject, signal);
      const authorization = used === undefined ? {} : { authorization: used };
      const response = await this.#transport.send(
        { ...plain, headers: { ...plain.headers, ...authorization } },
        signal,
      );
      if (response.status !== 401 || challenges === MAX_CHALLENGES) return response;
      await authorizer.challenged(response, { used, scopes, subject }, signal);
    }
  }

  #authorizer(domain: string): Authorizer {
    const known = this.#authorizers.get(domain);
    if (known !== undefined) return known;
    const endpoint = this.endpoint(domain);
    const made = new Authorizer({ domain, endpoint, transport: this.#transport, credentials: this.#credentials });
    this.#authorizers.set(domain, made);
    return made;
  }
}

/** Where an answer sends the client; undefined where it is no redirect that this method follows. */
function redirectOf(
  request: RegistryRequest,
  response: HttpResponse,
  first: URL,
  subject: RequestSubject,
): URL | undefined {
  const { status } = response;
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  const follows = status === 307 || status === 308 || (isRead && (status === 301 || status === 302 || status === 303));
  if (!follows || request.expect.includes(status)) return undefined;
  const location = response.headers.location ?? '';
  const url = locationOf(location, response.url, subject);
  const refusal = refusalOf(first, url) ?? refusalOf(response.url, url);
  if (refusal === undefined) return url;
  response.discard();
  throw invalidAnswer(subject, response.url.host, `redirects to ${url.host}, which is not followed: ${refusal}`);
}

/** A Location header as a URL. Throws SLIPWAY_REGISTRY_INVALID where it is none. */
export function locationOf(location: string, base: URL, subject: RequestSubject): URL {
  if (location !== '' && URL.canParse(location, base.href)) return new URL(location, base.href);
  throw invalidAnswer(subject, base.host, 'gave an answer whose Location is no URL');
}

/** Whether an error is a registry's "there is no such thing". */
export function isNotFound(error: unknown): boolean {
  return error instanceof SlipwayError && error.code === 'SLIPWAY_IMAGE_NOT_FOUND';
}
