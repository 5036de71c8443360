import { SlipwayError } from '../core/errors.ts';
import { type Challenge, parseChallenges } from './challenge.ts';
import type { CredentialSource, Credentials } from './docker-config.ts';
import type { HttpResponse, HttpTransport } from './http-transport.ts';
import { denied, invalidAnswer, type RequestSubject, statusError } from './registry-error.ts';
import { basicAuthorization, fetchToken, type Token } from './token.ts';

export interface AuthorizerOptions {
  /** As references name the registry. */
  readonly domain: string;
  readonly endpoint: URL;
  readonly transport: HttpTransport;
  readonly credentials: CredentialSource;
}

/** Learns from one registry's challenges how it wants to be asked, and keeps what it gave. */
export class Authorizer {
  readonly #options: AuthorizerOptions;
  #challenge: Challenge | undefined;
  /** Which scopes the challenge was an answer to: the scope that it names concerns those alone. */
  #challengedFor: string | undefined;
  #credentials: Promise<Credentials | undefined> | undefined;
  #credentialProblem: SlipwayError | undefined;
  readonly #tokens = new Map<string, Promise<Token>>();

  constructor(options: AuthorizerOptions) {
    this.#options = options;
  }

  /** Adds to a refusal why there were no credentials, where that may be the cause; gives every other error back. */
  explain(error: unknown): unknown {
    const problem = this.#credentialProblem;
    const isRefusal = error instanceof SlipwayError && error.code === 'SLIPWAY_REGISTRY_DENIED';
    if (problem === undefined || !isRefusal) return error;
    return new SlipwayError(
      'SLIPWAY_REGISTRY_DENIED',
      `${error.message}; asked without credentials: ${problem.message}`,
      {
        ...(problem.hint === undefined ? {} : { hint: problem.hint }),
        cause: error,
      },
    );
  }

  /** The Authorization header for a request that needs `scopes`; undefined until the registry asked for one. */
  async header(scopes: readonly string[], subject: RequestSubject, signal: AbortSignal): Promise<string | undefined> {
    const challenge = this.#challenge;
    if (challenge === undefined) return undefined;
    const credentials = await this.#ownCredentials(signal);
    if (credentials?.kind === 'registry-token') return `Bearer ${credentials.token}`;
    if (challenge.scheme === 'basic')
      return credentials?.kind === 'password' ? basicAuthorization(credentials) : undefined;
    const token = await this.#token(challenge, scopes, subject, signal);
    return `Bearer ${token.value}`;
  }

  /**
   * Takes in a 401 to a request that was sent with the header `used`, and reads its body. Throws SLIPWAY_REGISTRY_DENIED where
   * there is nothing else to try.
   */
  async challenged(
    response: HttpResponse,
    { used, scopes, subject }: { used: string | undefined; scopes: readonly string[]; subject: RequestSubject },
    signal: AbortSignal,
  ): Promise<void> {
    const header = response.headers['www-authenticate'];
    const challenges = parseChallenges(header === undefined ? [] : [header]);
    const challenge = ['bearer', 'basic'].flatMap((scheme) => challenges.filter((one) => one.scheme === scheme))[0];
    if (challenge === undefined) throw await statusError(subject, response, signal);
    const key = scopeKey(scopes);
    this.#challenge = challenge;
    this.#challengedFor = key;
    const expected = challenge.scheme === 'bearer' ? await this.#tokens.get(key)?.catch(() => undefined) : undefined;
    if (expected !== undefined && used === `Bearer ${expected.value}`) this.#tokens.delete(key);
    if (challenge.scheme === 'basic') await this.#requireCredentials(response, used, subject, signal);
    response.discard();
  }

  async #requireCredentials(
    response: HttpResponse,
    used: string | undefined,
    subject: RequestSubject,
    signal: AbortSignal,
  ): Promise<void> {
    const credentials = await this.#ownCredentials(signal);
    if (used !== undefined) throw await statusError(subject, response, signal);
    if (credentials === undefined)
      throw denied(
        subject,
        `${response.url.host} asks for a user and a password, and docker's config.json has none for it`,
      );
    if (credentials.kind === 'identity-token')
      throw invalidAnswer(
        subject,
        response.url.host,
        'asks for a password, but only an identity token is there for it',
      );
  }

  /** Most images need no credentials: a helper that does not work stops the build only where the registry then refuses. */
  #ownCredentials(signal: AbortSignal): Promise<Credentials | undefined> {
    this.#credentials ??= this.#options.credentials(this.#options.domain, signal).catch((error: unknown) => {
      if (error instanceof SlipwayError && error.code === 'SLIPWAY_CREDENTIALS_UNAVAILABLE') {
        this.#credentialProblem = error;
        return undefined;
      }
      this.#credentials = undefined;
      throw error;
    });
    return this.#credentials;
  }

  async #token(
    challenge: Challenge,
    scopes: readonly string[],
    subject: RequestSubject,
    signal: AbortSignal,
  ): Promise<Token> {
    const key = scopeKey(scopes);
    const known = await this.#tokens.get(key)?.catch((error: unknown) => {
      // Another request's abort says nothing about this one.
      if (error instanceof SlipwayError) throw error;
      return undefined;
    });
    if (known !== undefined && known.expiresAt > Date.now()) return known;
    const { transport, endpoint: registry } = this.#options;
    const wanted = this.#challengedFor === key ? scopesFor(challenge, scopes) : scopes;
    const fetching = this.#ownCredentials(signal).then((credentials) =>
      fetchToken(transport, { subject, registry, challenge, scopes: wanted, credentials }, signal),
    );
    this.#tokens.set(key, fetching);
    return fetching.catch((error: unknown) => {
      if (this.#tokens.get(key) === fetching) this.#tokens.delete(key);
      throw error;
    });
  }
}

function scopeKey(scopes: readonly string[]): string {
  return [...scopes].sort().join(' ');
}

/** What the request needs, and what the registry said it needs where that is more. */
function scopesFor(challenge: Challenge, own: readonly string[]): readonly string[] {
  const asked = (challenge.parameters.get('scope') ?? '').split(' ').filter((scope) => scope !== '');
  const covered = (scope: string) => own.some((mine) => mine === scope || covers(mine, scope));
  return [...own, ...asked.filter((scope) => !covered(scope))];
}

/** Whether `mine` names the same resource with at least the actions of `asked`. */
function covers(mine: string, asked: string): boolean {
  const [resource, actions] = splitScope(mine);
  const [otherResource, otherActions] = splitScope(asked);
  return resource === otherResource && otherActions.every((action) => actions.includes(action));
}

function splitScope(scope: string): readonly [resource: string, actions: readonly string[]] {
  const colon = scope.lastIndexOf(':');
  return [scope.slice(0, colon), scope.slice(colon + 1).split(',')];
}
