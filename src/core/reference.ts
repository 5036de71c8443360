import { type Digest, isDigest } from './digest.ts';
import { SlipwayError } from './errors.ts';

/** An image reference in full: `busybox` has the domain `docker.io`, the path `library/busybox` and the tag `latest`. */
export interface Reference {
  /** Host and optional port of the registry, as written: `docker.io`, `localhost:5000`, `[::1]:5000`. */
  readonly domain: string;
  /** The repository within the registry: `library/debian`. */
  readonly path: string;
  /** Undefined only where there is a digest. */
  readonly tag?: string;
  /** Where there are both, the digest decides and the tag is decoration. */
  readonly digest?: Digest;
}

const DEFAULT_DOMAIN = 'docker.io';
const LEGACY_DOMAIN = 'index.docker.io';
const OFFICIAL = 'library/';
const MAX_PATH_LENGTH = 255;
const MAX_LENGTH = 4096;

const COMPONENT = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const PATH = `${COMPONENT}(?:/${COMPONENT})*`;
const LABEL = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const DOMAIN = `(?:${LABEL}(?:\\.${LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const TAG = '\\w[\\w.-]{0,127}';
const DIGEST = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}';

const REFERENCE = new RegExp(`^((?:${DOMAIN}/)?${PATH})(?::(${TAG}))?(?:@(${DIGEST}))?$`);
const NAME = new RegExp(`^(?:(${DOMAIN})/)?(${PATH})$`);
const IDENTIFIER = /^[a-f0-9]{64}$/;
const WHOLE_TAG = new RegExp(`^${TAG}$`);

/**
 * Reads a reference as a person writes it, by the grammar of github.com/distribution/reference with docker's familiar names, and
 * fills in domain, `library/` and the tag `latest`. Throws SLIPWAY_REFERENCE_INVALID in BuildKit's words.
 */
export function parseReference(text: string): Reference {
  if (IDENTIFIER.test(text))
    throw invalid(text, `invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  const [domain, remainder] = splitDomain(text);
  const colon = remainder.indexOf(':');
  const remote = colon < 0 ? remainder : remainder.slice(0, colon);
  if (remote.toLowerCase() !== remote)
    throw invalid(text, `invalid reference format: repository name (${remote.slice(0, 300)}) must be lowercase`);
  return parseFull(text, `${domain}/${remainder}`);
}

/** The whole reference: `docker.io/library/debian:bookworm`, with `@sha256:…` where there is a digest. */
export function formatReference(reference: Reference): string {
  return suffixed(`${reference.domain}/${reference.path}`, reference);
}

/** The reference as docker shows it: `debian:bookworm`. */
export function familiarReference(reference: Reference): string {
  if (reference.domain !== DEFAULT_DOMAIN) return formatReference(reference);
  const short = reference.path.slice(OFFICIAL.length);
  const isOfficial = reference.path.startsWith(OFFICIAL) && !short.includes('/');
  return suffixed(isOfficial ? short : reference.path, reference);
}

/** Whether `text` may stand behind the colon of a reference. */
export function isTag(text: string): boolean {
  return WHOLE_TAG.test(text);
}

function suffixed(name: string, { tag, digest }: Reference): string {
  return `${name}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

/** What stands before the first slash is a domain if it looks like a host, else the repository is on Docker Hub. */
function splitDomain(text: string): readonly [domain: string, remainder: string] {
  const slash = text.indexOf('/');
  if (slash < 0) return [DEFAULT_DOMAIN, OFFICIAL + text];
  const first = text.slice(0, slash);
  const rest = text.slice(slash + 1);
  const isHost = first === 'localhost' || /[.:]/.test(first) || first.toLowerCase() !== first;
  const domain = isHost && first !== LEGACY_DOMAIN ? first : DEFAULT_DOMAIN;
  const remainder = isHost ? rest : text;
  return [domain, domain === DEFAULT_DOMAIN && !remainder.includes('/') ? OFFICIAL + remainder : remainder];
}

function parseFull(text: string, full: string): Reference {
  const match = full.length > MAX_LENGTH ? null : REFERENCE.exec(full);
  if (match === null) {
    const isOnlyCase = full.length <= MAX_LENGTH && REFERENCE.test(full.toLowerCase());
    throw invalid(text, isOnlyCase ? 'repository name must be lowercase' : 'invalid reference format');
  }
  const [, name = '', tag, digest] = match;
  const [, domain = '', path = ''] = NAME.exec(name) ?? [];
  if (path.length > MAX_PATH_LENGTH)
    throw invalid(text, `repository name must not be more than ${MAX_PATH_LENGTH} characters`);
  if (digest === undefined) return { domain, path, tag: tag ?? 'latest' };
  return { domain, path, ...(tag === undefined ? {} : { tag }), digest: checkedDigest(text, digest) };
}

const HEX_LENGTHS: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 };

function checkedDigest(text: string, digest: string): Digest {
  const [algorithm = '', hex = ''] = digest.split(':');
  const length = HEX_LENGTHS[algorithm];
  if (length === undefined) throw invalid(text, 'unsupported digest algorithm');
  if (hex.length !== length) throw invalid(text, 'invalid checksum digest length');
  if (!/^[a-f0-9]+$/.test(hex)) throw invalid(text, 'invalid checksum digest format');
  if (!isDigest(digest))
    throw invalid(text, `unsupported digest algorithm ${algorithm}: images are named by sha256 here`);
  return digest;
}

function invalid(text: string, why: string): SlipwayError {
  return new SlipwayError('SLIPWAY_REFERENCE_INVALID', `${JSON.stringify(text.slice(0, 300))}: ${why}`, {
    hint: 'an image reference is [host[:port]/]name[:tag][@sha256:digest], with the name in lower case',
  });
}
