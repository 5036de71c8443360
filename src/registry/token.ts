import { SlipwayError } from '../core/errors.ts';
import { type Complaint, countOf, objectOf, parseJson, textOf } from '../core/json-shape.ts';
import { BodyLimitError, readBounded } from './bounded-body.ts';
import type { Challenge } from './challenge.ts';
import { connectionFailure } from './connection-failure.ts';
import { refusalOf } from './destination.ts';
import type { Credentials } from './docker-config.ts';
import type { HttpRequest, HttpTransport } from './http-transport.ts';
import { denied, invalidAnswer, type RequestSubject, statusError, TemporaryFailure } from './registry-error.ts';

const MAX_TOKEN_BYTES = 1024 * 1024;
const DEFAULT_LIFETIME_S = 60;
/** Subtracted from a token's life, so that none is sent that ends on the way. */
const MARGIN_S = 10;

/** A bearer token. `expiresAt` is milliseconds since 1970. */
export interface Token {
  readonly value: string;
  readonly expiresAt: number;
}

export interface TokenQuery {
  readonly subject: RequestSubject;
  /** The registry that asked for a token. */
  readonly registry: URL;
  readonly challenge: Challenge;
  readonly scopes: readonly string[];
  readonly credentials: Credentials | undefined;
}

/**
 * Gets a token from the server that a registry's challenge names (distribution spec, "Token Authentication"; OAuth2 where there is
 * an identity token). The server must be as well protected as the registry. Throws TemporaryFailure for what may pass.
 */
export async function fetchToken(transport: HttpTransport, query: TokenQuery, signal: AbortSignal): Promise<Token> {
  const realm = realmOf(query);
  if (query.credentials?.kind === 'identity-token') {
    const token = await exchange(transport, oauthRequest(realm, query, query.credentials.token), query, signal);
    if (token !== 'not-supported') return token;
  }
  const token = await exchange(transport, tokenRequest(realm, query), query, signal);
  if (token === 'not-supported')
    throw invalidAnswer(query.subject, realm.host, 'has no token service at the address the registry named');
  return token;
}

function realmOf({ challenge, subject, registry }: TokenQuery): URL {
  const realm = challenge.parameters.get('realm') ?? '';
  if (!URL.canParse(realm))
    throw invalidAnswer(subject, registry.host, 'asks for a token without saying where to get one');
  const url = new URL(realm);
  const refusal = refusalOf(registry, url);
  if (refusal !== undefined)
    throw invalidAnswer(subject, registry.host, `names a token server that is not used: ${refusal}`);
  return url;
}

function tokenRequest(realm: URL, { challenge, scopes, credentials }: TokenQuery): HttpRequest {
  const url = new URL(realm);
  const service = challenge.parameters.get('service');
  if (service !== undefined) url.searchParams.set('service', service);
  for (const scope of scopes) url.searchParams.append('scope', scope);
  const headers = credentials?.kind === 'password' ? { authorization: basicAuthorization(credentials) } : {};
  if (credentials?.kind === 'password') url.searchParams.set('account', credentials.user);
  return { method: 'GET', url, headers: { accept: 'application/json', ...headers } };
}

function oauthRequest(url: URL, { challenge, scopes }: TokenQuery, refreshToken: string): HttpRequest {
  const form = new URLSearchParams({ grant_type: 'refresh_token', client_id: 'slipway', refresh_token: refreshToken });
  const service = challenge.parameters.get('service');
  if (service !== undefined) form.set('service', service);
  if (scopes.length > 0) form.set('scope', scopes.join(' '));
  const bytes = Buffer.from(form.toString());
  return {
    method: 'POST',
    url,
    headers: { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' },
    body: {
      length: bytes.length,
      async *open() {
        yield bytes;
      },
    },
  };
}

/** The value of an Authorization header for a user and a password. */
export function basicAuthorization({ user, password }: { readonly user: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${user}:${password}`, 'utf8').toString('base64')}`;
}

async function exchange(
  transport: HttpTransport,
  request: HttpRequest,
  { subject, credentials }: TokenQuery,
  signal: AbortSignal,
): Promise<Token | 'not-supported'> {
  const { host } = request.url;
  try {
    const response = await transport.send(request, signal);
    if (response.status === 404 || response.status === 405) {
      response.discard();
      return 'not-supported';
    }
    if (response.status === 200)
      return readToken(await readBounded(response, { limit: MAX_TOKEN_BYTES, signal }), subject, host);
    const failure = await statusError(subject, response, signal);
    if (failure instanceof TemporaryFailure || failure.code !== 'SLIPWAY_REGISTRY_DENIED') throw failure;
    const who = credentials === undefined ? 'without credentials' : "with the credentials of docker's config.json";
    throw denied(subject, `the token server ${host} answered ${response.status} to a request ${who}`);
  } catch (error) {
    if (error instanceof BodyLimitError) throw invalidAnswer(subject, host, `gave no usable token: ${error.message}`);
    if (error instanceof SlipwayError || error instanceof TemporaryFailure) throw error;
    throw connectionFailure(error, subject, host, signal);
  }
}

function readToken(bytes: Buffer, subject: RequestSubject, host: string): Token {
  const complain: Complaint = (problem) => invalidAnswer(subject, host, `gave no usable token: ${problem}`);
  const document = objectOf(
    parseJson(bytes, () => complain('it is not JSON')),
    'the answer',
    complain,
  );
  const value =
    textOf(document.token, '"token"', complain) || textOf(document.access_token, '"access_token"', complain) || '';
  if (!/^[\u0021-\u007e]+$/.test(value)) throw complain('"token" is missing or no token');
  const seconds = countOf(document.expires_in, '"expires_in"', complain) || DEFAULT_LIFETIME_S;
  return { value, expiresAt: Date.now() + Math.max(seconds - MARGIN_S, seconds / 2) * 1000 };
}
