import { SlipwayError } from '../../src/core/errors.ts';
import { withoutCredentials } from '../../src/core/fetch-url.ts';

/** A repository's URL taken apart: what git is given, and what proves who asks. */
export interface GitRemote {
  /** Without user and password for http; for ssh the user stays, who is no secret. */
  readonly url: string;
  readonly transport: 'http' | 'ssh' | 'git';
  /** `example.com:8443`. */
  readonly host: string;
  /** Value of an Authorization header, from the URL itself. */
  readonly authorization?: string;
}

const SCP = /^[a-zA-Z0-9_][a-zA-Z0-9_-]*@([a-zA-Z0-9][a-zA-Z0-9.-]*):[^-]/;
const TRANSPORTS = new Map([
  ['http:', 'http'],
  ['https:', 'http'],
  ['ssh:', 'ssh'],
  ['git:', 'git'],
] as const);

/**
 * Takes a URL apart. `SLIPWAY_GIT_URL_INVALID` for any other protocol than those of `GitRemote`, and for hosts and paths that ssh or git
 * could take for options.
 */
export function parseGitRemote(url: string): GitRemote {
  const scp = SCP.exec(url)?.[1];
  if (scp !== undefined && !url.includes('://')) return { url: checkText(url), transport: 'ssh', host: scp };
  if (!/^[a-z]+:\/\//i.test(url) || !URL.canParse(url))
    throw invalid(url, 'expected https://, http://, ssh:// or git://');
  const parsed = new URL(url);
  const transport = [...TRANSPORTS].find(([protocol]) => protocol === parsed.protocol)?.[1];
  if (transport === undefined) throw invalid(url, `${parsed.protocol}// is not allowed`);
  if (!/^[a-zA-Z0-9[]/.test(parsed.hostname)) throw invalid(url, 'the host must begin with a letter or a digit');
  if (parsed.username.startsWith('-') || decoded(parsed.username).startsWith('-'))
    throw invalid(url, 'the user must not begin with -');
  if (transport !== 'http') return { url: checkText(url), transport, host: parsed.host };
  const [username, password] = [decoded(parsed.username), decoded(parsed.password)];
  parsed.username = '';
  parsed.password = '';
  const login = Buffer.from(`${username}:${password}`).toString('base64');
  return {
    url: checkText(parsed.href),
    transport,
    host: parsed.host,
    ...(username === '' && password === '' ? {} : { authorization: `Basic ${login}` }),
  };
}

function checkText(url: string): string {
  if (/[\u0000-\u0020\u007f]/.test(url)) throw invalid(url, 'it has spaces or control characters');
  return url;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}

function invalid(url: string, why: string): SlipwayError {
  return new SlipwayError(
    'SLIPWAY_GIT_URL_INVALID',
    `Git repository ${JSON.stringify(withoutCredentials(url))}: ${why}`,
  );
}
