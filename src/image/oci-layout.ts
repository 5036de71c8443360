import { closeSync, constants, createReadStream, fstatSync, openSync, readSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Descriptor, MEDIA } from '../core/descriptor.ts';
import { digestOf, hexOf, isDigest } from '../core/digest.ts';
import { errnoOf, SlipwayError } from '../core/errors.ts';
import { shownJson } from '../core/json-shape.ts';
import { MAX_MANIFEST_BYTES, parseManifest } from '../core/manifest.ts';
import { isTag } from '../core/reference.ts';
import { MAX_CONFIG_BYTES } from './parse-image-config.ts';
import type { ImageRoot } from './pin-image.ts';

/** An image in a folder on this machine: `oci-layout://PATH[:tag|@digest]`. */
export interface OciLayoutReference {
  readonly path: string;
  readonly tag?: string;
  readonly digest?: string;
}

const SCHEME = 'oci-layout://';
const REF_NAME = 'org.opencontainers.image.ref.name';

/** Whether a reference names an OCI layout, not an image of a registry. */
export function isOciLayoutReference(text: string): boolean {
  return text.startsWith(SCHEME);
}

/** Reads `oci-layout://PATH[:tag][@digest]` as buildx does: what looks like no tag belongs to the path. A relative path is in `cwd`. */
export function parseOciLayoutReference(text: string, cwd: string): OciLayoutReference {
  let rest = text.slice(SCHEME.length);
  const at = rest.lastIndexOf('@');
  const digest = at >= 0 && /^[a-z0-9+._-]+:[0-9a-fA-F]+$/.test(rest.slice(at + 1)) ? rest.slice(at + 1) : undefined;
  if (digest !== undefined) rest = rest.slice(0, at);
  const colon = rest.lastIndexOf(':');
  const tag = colon >= 0 && isTag(rest.slice(colon + 1)) ? rest.slice(colon + 1) : undefined;
  if (tag !== undefined) rest = rest.slice(0, colon);
  if (rest === '' || rest.includes('\0'))
    throw new SlipwayError('SLIPWAY_REFERENCE_INVALID', `${JSON.stringify(text)}: there is no path`, {
      hint: 'write oci-layout://PATH, oci-layout://PATH:tag or oci-layout://PATH@sha256:…',
    });
  return {
    path: resolve(cwd, rest),
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

/**
 * What a reference names in its layout: the blob of its digest, else the manifest whose `ref.name` is its tag (`latest` where it
 * has none), else the layout's only one. Throws SLIPWAY_IMAGE_NOT_FOUND with the tags there are, SLIPWAY_LAYOUT_INVALID.
 */
export function findInLayout(reference: OciLayoutReference): ImageRoot {
  const { path, tag, digest } = reference;
  if (digest !== undefined) {
    if (isDigest(digest)) return { digest };
    throw new SlipwayError('SLIPWAY_DIGEST_INVALID', `oci-layout ${path}: ${digest.slice(0, 120)} is no sha256 digest`);
  }
  const manifests = readIndex(path);
  const named = manifests.filter((manifest) => manifest.annotations?.[REF_NAME] === (tag ?? 'latest'));
  const [only] = manifests;
  const isOnly = manifests.length === 1 && (tag === undefined || only?.annotations?.[REF_NAME] === undefined);
  // Two of one name: the last was written last.
  const found = named.at(-1) ?? (isOnly ? only : undefined);
  if (found !== undefined) return found;
  const names = manifests.flatMap((manifest) => manifest.annotations?.[REF_NAME] ?? []);
  throw new SlipwayError(
    'SLIPWAY_IMAGE_NOT_FOUND',
    `the OCI layout ${path} has no image with the tag ${tag ?? 'latest'}`,
    {
      hint:
        names.length === 0
          ? `it has ${manifests.length} images without tags: name one with @sha256:…`
          : `it has the tags ${names.slice(0, 20).join(', ')}`,
    },
  );
}

function readIndex(path: string): readonly Descriptor[] {
  readMarker(path);
  const bytes = readRegularFile(`${path}/index.json`, MAX_MANIFEST_BYTES);
  if (bytes === undefined) throw invalidLayout(path, 'it has no index.json');
  const document = parseManifest(bytes, `${path}/index.json`, MEDIA.ociIndex);
  return document.kind === 'index' ? document.index.manifests : [];
}

function readMarker(path: string): void {
  const marker = readRegularFile(`${path}/oci-layout`, 64 * 1024);
  if (marker === undefined) throw invalidLayout(path, 'it has no file oci-layout');
  let version: unknown;
  try {
    version = (JSON.parse(marker.toString('utf8')) as { imageLayoutVersion?: unknown } | null)?.imageLayoutVersion;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  if (version !== '1.0.0')
    throw invalidLayout(path, `its file oci-layout says version ${shownJson(version)}, expected "1.0.0"`);
}

function invalidLayout(path: string, why: string): SlipwayError {
  return new SlipwayError('SLIPWAY_LAYOUT_INVALID', `${path} is no OCI image layout: ${why}`, {
    hint: 'a layout is a folder with oci-layout, index.json and blobs/, as skopeo copy oci:… and -o type=oci,tar=false make it',
  });
}

/** A manifest or config of a layout, verified against its digest. */
export function readFromLayout(
  path: string,
  document: { readonly digest: ImageRoot['digest']; readonly size?: number },
): Buffer {
  const file = blobPath(path, document);
  const bytes = readRegularFile(file, Math.max(MAX_MANIFEST_BYTES, MAX_CONFIG_BYTES));
  if (bytes === undefined)
    throw new SlipwayError(
      'SLIPWAY_IMAGE_NOT_FOUND',
      `the OCI layout ${path} does not have the blob ${document.digest}`,
    );
  if (digestOf(bytes) === document.digest && (document.size ?? bytes.length) === bytes.length) return bytes;
  throw new SlipwayError(
    'SLIPWAY_BLOB_MISMATCH',
    `${file}: expected ${document.digest}${document.size === undefined ? '' : ` of ${document.size} bytes`}, got ${digestOf(bytes)} of ${bytes.length} bytes`,
  );
}

/** The bytes of a layer of a layout; whoever takes them verifies the digest. */
export async function* streamFromLayout(path: string, descriptor: Descriptor): AsyncGenerator<Uint8Array> {
  const fd = openRegularFile(blobPath(path, descriptor))?.fd;
  if (fd === undefined)
    throw new SlipwayError(
      'SLIPWAY_IMAGE_NOT_FOUND',
      `the OCI layout ${path} does not have the blob ${descriptor.digest}`,
    );
  yield* createReadStream('', { fd, highWaterMark: 1024 * 1024 }) as AsyncIterable<Uint8Array>;
}

function blobPath(path: string, { digest }: { readonly digest: ImageRoot['digest'] }): string {
  return `${path}/blobs/sha256/${hexOf(digest)}`;
}

/** Opens without waiting for a FIFO's writer; anything but a regular file is an error, a missing one undefined. */
function openRegularFile(file: string): { readonly fd: number; readonly size: number } | undefined {
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined;
    if (errno === 'EACCES' || errno === 'ELOOP' || errno === 'ENXIO')
      throw new SlipwayError('SLIPWAY_LAYOUT_INVALID', `${file} cannot be read (${errno})`, { cause: error });
    throw error;
  }
  const stats = fstatSync(fd);
  if (stats.isFile()) return { fd, size: stats.size };
  closeSync(fd);
  throw new SlipwayError('SLIPWAY_LAYOUT_INVALID', `${file} is not a regular file`);
}

function readRegularFile(file: string, limit: number): Buffer | undefined {
  const opened = openRegularFile(file);
  if (opened === undefined) return undefined;
  try {
    if (opened.size > limit)
      throw new SlipwayError('SLIPWAY_LAYOUT_INVALID', `${file} has ${opened.size} bytes, more than ${limit}`);
    const bytes = Buffer.allocUnsafe(opened.size);
    let length = 0;
    while (length < bytes.length) {
      const read = readSync(opened.fd, bytes, length, bytes.length - length, length);
      if (read === 0) break;
      length += read;
    }
    return bytes.subarray(0, length);
  } finally {
    closeSync(opened.fd);
  }
}
