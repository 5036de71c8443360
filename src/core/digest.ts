import { createHash, hash } from 'node:crypto';
import { SlipwayError } from './errors.ts';

/** A content digest, `sha256:` and 64 lower-case hex digits (OCI image spec, descriptor.md, "Digests"). */
export type Digest = `sha256:${string}` & { readonly __digest: never };
/** Digest of a layer's uncompressed tar. */
export type DiffID = Digest & { readonly __diffID: never };
/** Digest of a stack of diffIDs (OCI image spec, config.md, "Layer ChainID"). */
export type ChainID = Digest & { readonly __chainID: never };

const GRAMMAR = /^sha256:[0-9a-f]{64}$/;

/** Whether `text` is a digest that may be used in a path or a URL. Anything else never becomes either. */
export function isDigest(text: unknown): text is Digest {
  return typeof text === 'string' && GRAMMAR.test(text);
}

/** `text` as a digest, or an error that names `where` it came from. */
export function parseDigest(text: unknown, where: string): Digest {
  if (isDigest(text)) return text;
  throw new SlipwayError(
    'SLIPWAY_DIGEST_INVALID',
    `${where}: expected a digest "sha256:" and 64 lower-case hex digits, got ${JSON.stringify(text)?.slice(0, 120)}`,
  );
}

/** The 64 hex digits of a digest. */
export function hexOf(digest: Digest): string {
  return digest.slice('sha256:'.length);
}

/** Digest of a byte string, or of a text in UTF-8. */
export function digestOf(bytes: Uint8Array | string): Digest {
  return `sha256:${hash('sha256', bytes, 'hex')}` as Digest;
}

/** Digest of a JSON value in canonical form: keys sorted, `undefined` members left out. */
export function digestOfJson(value: unknown): Digest {
  return digestOf(canonicalJson(value));
}

/** JSON with sorted keys and no white space; equal values give equal texts. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) => {
    if (typeof member !== 'object' || member === null || Array.isArray(member)) return member;
    const sorted: Record<string, unknown> = {};
    for (const key of Object.keys(member).sort()) sorted[key] = (member as Record<string, unknown>)[key];
    return sorted;
  });
}

/** Folds a stack of diffIDs, lowest first, into its chain id; undefined for the empty stack. */
export function chainIdOf(diffIds: readonly DiffID[]): ChainID | undefined {
  let chain: string | undefined;
  for (const diffId of diffIds) chain = chain === undefined ? diffId : digestOf(`${chain} ${diffId}`);
  return chain as ChainID | undefined;
}

/** A digest over bytes that arrive in pieces. */
export interface RunningDigest {
  update(bytes: Uint8Array): void;
  finish(): Digest;
}

export function startDigest(): RunningDigest {
  const running = createHash('sha256');
  return {
    update: (bytes) => void running.update(bytes),
    finish: () => `sha256:${running.digest('hex')}` as Digest,
  };
}
