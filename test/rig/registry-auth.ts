import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { close, listen } from './local-server.ts';

/** How a test registry wants to be asked. */
export type AuthMode =
  | { readonly kind: 'basic'; readonly user: string; readonly password: string }
  /** Without a user, anyone gets a token. `refreshToken`: what an identity token of docker's config holds. */
  | {
      readonly kind: 'token';
      readonly user?: string;
      readonly password?: string;
      readonly refreshToken?: string;
      readonly lifetimeSeconds?: number;
    };

/** A token server of a registry, on a port of its own. */
export interface TokenServer extends AsyncDisposable {
  readonly url: string;
  /** Every request's method, query or form, and Authorization header. */
  readonly requests: { method: string; parameters: URLSearchParams; authorization: string | undefined }[];
  /** What it gives out: the scopes that each token is for. */
  readonly issued: Map<string, readonly string[]>;
  /** Makes the registry forget all tokens, as if they had ended. */
  revokeAll(): void;
}

type TokenMode = Extract<AuthMode, { kind: 'token' }>;

export async function startTokenServer(mode: TokenMode): Promise<TokenServer> {
  const requests: TokenServer['requests'] = [];
  const issued: TokenServer['issued'] = new Map();
  const server = createServer(async (request, response) => {
    const { method = '', url = '', headers } = request;
    let form = '';
    for await (const chunk of request) form += chunk;
    const parameters = method === 'POST' ? new URLSearchParams(form) : new URL(url, 'http://x').searchParams;
    requests.push({ method, parameters, authorization: headers.authorization });
    if (method === 'POST' && mode.refreshToken === undefined) return void response.writeHead(404).end();
    if (!isKnown(mode, method, parameters, headers.authorization))
      return void response.writeHead(401).end('{"details":"incorrect username or password"}');
    const token = randomBytes(8).toString('hex');
    issued.set(
      token,
      parameters.getAll('scope').flatMap((scope) => scope.split(' ')),
    );
    const answer = { [method === 'POST' ? 'access_token' : 'token']: token, expires_in: mode.lifetimeSeconds ?? 300 };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  });
  const port = await listen(server);
  return {
    url: `http://127.0.0.1:${port}/token`,
    requests,
    issued,
    revokeAll: () => issued.clear(),
    [Symbol.asyncDispose]: () => close(server),
  };
}

function isKnown(mode: TokenMode, method: string, parameters: URLSearchParams, authorization?: string): boolean {
  if (method === 'POST') return parameters.get('refresh_token') === mode.refreshToken;
  return mode.user === undefined || authorization === basic(mode.user, mode.password ?? '');
}

/** The WWW-Authenticate header for a request that may not be answered yet; undefined where it may. */
export function challengeFor(
  mode: AuthMode | undefined,
  tokens: TokenServer | undefined,
  request: IncomingMessage,
): string | undefined {
  const { authorization = '' } = request.headers;
  if (mode === undefined) return undefined;
  if (mode.kind === 'basic') return authorization === basic(mode.user, mode.password) ? undefined : 'Basic realm="rig"';
  const [, repository = ''] = /^\/v2\/(.+?)\/(?:manifests|blobs)\//.exec(request.url ?? '') ?? [];
  const action = request.method === 'GET' || request.method === 'HEAD' ? 'pull' : 'pull,push';
  const scopes = tokens?.issued.get(authorization.replace(/^Bearer /, '')) ?? [];
  const granted = scopes.some((scope) => {
    const [, name, actions = ''] = /^repository:(.+):([^:]*)$/.exec(scope) ?? [];
    return name === repository && action.split(',').every((one) => actions.split(',').includes(one));
  });
  if (granted) return undefined;
  return `Bearer realm="${tokens?.url}",service="rig",scope="repository:${repository}:${action}"`;
}

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}
