import { homedir } from 'node:os';
import { join } from 'node:path';
import { errnoOf, SlipwayError } from '../core/errors.ts';
import { type Complaint, type JsonObject, objectOf, parseJson, textMapOf, textOf } from '../core/json-shape.ts';
import { readUpTo } from '../core/read-up-to.ts';
import { credentialKeyOf } from './endpoint.ts';

/** How slipway proves to a registry who it is. */
export type Credentials =
  | { readonly kind: 'password'; readonly user: string; readonly password: string }
  /** A refresh token that the token server turns into access tokens. */
  | { readonly kind: 'identity-token'; readonly token: string }
  /** A bearer token that the registry itself takes. */
  | { readonly kind: 'registry-token'; readonly token: string };

/** Finds the credentials for a reference's domain; undefined where the user has none. */
export type CredentialSource = (domain: string, signal: AbortSignal) => Promise<Credentials | undefined>;

type Environment = Readonly<Record<string, string | undefined>>;

const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

/**
 * The credentials of `$DOCKER_CONFIG/config.json` (default `~/.docker/config.json`) and the credential helpers that it names:
 * `credHelpers` of the domain, else `credsStore`, else `auths`. The file is read when it is first needed.
 */
export function dockerCredentials(env: Environment): CredentialSource {
  let config: JsonObject | undefined;
  const path = join(env.DOCKER_CONFIG || join(env.HOME || homedir(), '.docker'), 'config.json');
  const complain: Complaint = (problem) =>
    new SlipwayError('SLIPWAY_CREDENTIALS_INVALID', `${path}: ${problem}`, {
      hint: "the file is written by docker login; see the documentation of docker's config.json",
    });
  return async (domain, signal) => {
    config ??= readConfig(path, complain);
    const key = credentialKeyOf(domain);
    const helpers = new Map(Object.entries(textMapOf(config.credHelpers, '"credHelpers"', complain)));
    const helper = helpers.get(key) ?? textOf(config.credsStore, '"credsStore"', complain);
    if (helper) {
      const { askCredentialHelper } = await import('./credential-helper.ts');
      const found = await askCredentialHelper(helper, key, { env: { ...env }, signal });
      if (found !== undefined) return found;
    }
    return credentialsIn(config, domain, complain);
  };
}

function readConfig(path: string, complain: Complaint): JsonObject {
  try {
    const bytes = readUpTo(path, MAX_CONFIG_BYTES);
    if (bytes === undefined) throw complain(`it has more than ${MAX_CONFIG_BYTES} bytes`);
    return objectOf(parseJson(bytes, complain), 'it', complain);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return {};
    if (errno === 'EACCES' || errno === 'EISDIR') throw complain(`it cannot be read (${errno})`);
    throw error;
  }
}

function credentialsIn(config: JsonObject, domain: string, complain: Complaint): Credentials | undefined {
  const auths = config.auths;
  if (auths === undefined || auths === null) return undefined;
  const entry = entryFor(objectOf(auths, '"auths"', complain), credentialKeyOf(domain));
  if (entry === undefined) return undefined;
  const [key, value] = entry;
  const document = objectOf(value, `"auths" of ${key}`, complain);
  const text = (name: string) => textOf(document[name], `"${name}" of ${key}`, complain) || undefined;
  const identity = text('identitytoken');
  if (identity !== undefined) return { kind: 'identity-token', token: identity };
  const registry = text('registrytoken');
  if (registry !== undefined) return { kind: 'registry-token', token: registry };
  const encoded = text('auth');
  if (encoded !== undefined)
    return decodeAuth(encoded, () => complain(`"auth" of ${key} is not user:password in base64`));
  const user = text('username');
  return user === undefined ? undefined : { kind: 'password', user, password: text('password') ?? '' };
}

/** Keys are hosts, or URLs of which the host counts, as older dockers wrote them. */
function entryFor(auths: JsonObject, key: string): readonly [key: string, value: unknown] | undefined {
  if (Object.hasOwn(auths, key)) return [key, auths[key]];
  const host = hostOf(key);
  return Object.entries(auths).find(([candidate]) => hostOf(candidate) === host);
}

function hostOf(key: string): string {
  return key.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
}

function decodeAuth(encoded: string, invalid: () => SlipwayError): Credentials {
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon <= 0) throw invalid();
  return { kind: 'password', user: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, '') };
}
