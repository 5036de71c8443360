import { type Descriptor, type ImageIndex, type ImageManifest, MEDIA } from './descriptor.ts';
import { isDigest } from './digest.ts';
import { SlipwayError } from './errors.ts';
import {
  type Complaint,
  countOf,
  type JsonObject,
  listOf,
  objectOf,
  parseJson,
  shownJson,
  textMapOf,
  textOf,
  textsOf,
} from './json-shape.ts';
import type { Platform } from './platform.ts';

/** No manifest or index may be larger, in bytes (OCI distribution spec, "Pushing Manifests"). */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

/** What a reference can name. */
export type ManifestDocument =
  | { readonly kind: 'index'; readonly index: ImageIndex }
  | { readonly kind: 'manifest'; readonly manifest: ImageManifest };

export const INDEX_TYPES: readonly string[] = [MEDIA.ociIndex, MEDIA.dockerList];
export const MANIFEST_TYPES: readonly string[] = [MEDIA.ociManifest, MEDIA.dockerManifest];

const SCHEMA_1 = [
  'application/vnd.docker.distribution.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v1+prettyjws',
];

/**
 * Reads a manifest or an index that came from outside. `mediaType` is what the sender called it; a document that calls itself
 * something else, or has members of both kinds, is refused (CVE-2021-41190). `where` starts the messages of SLIPWAY_IMAGE_INVALID.
 */
export function parseManifest(bytes: Uint8Array, where: string, mediaType?: string): ManifestDocument {
  const complain: Complaint = (problem) => new SlipwayError('SLIPWAY_IMAGE_INVALID', `${where}: ${problem}`);
  if (bytes.byteLength > MAX_MANIFEST_BYTES) throw complain(`the manifest has more than ${MAX_MANIFEST_BYTES} bytes`);
  const document = objectOf(parseJson(bytes, complain), 'the manifest', complain);
  refuseSchema1(document, where, mediaType);
  const type = agreedType(document, mediaType, complain);
  return INDEX_TYPES.includes(type)
    ? { kind: 'index', index: readIndex(document, type, complain) }
    : { kind: 'manifest', manifest: readManifest(document, type, complain) };
}

function refuseSchema1(document: JsonObject, where: string, mediaType: string | undefined): void {
  const isSchema1 =
    document.schemaVersion === 1 || SCHEMA_1.some((type) => type === mediaType || type === document.mediaType);
  if (!isSchema1) return;
  throw new SlipwayError(
    'SLIPWAY_IMAGE_UNSUPPORTED',
    `${where}: the image has docker's manifest format of 2015 (schema 1), which names no image config`,
    {
      hint: 'push the image again with a current tool, for instance: skopeo copy --format oci docker://OLD docker://NEW',
    },
  );
}

function agreedType(document: JsonObject, said: string | undefined, complain: Complaint): string {
  if (document.schemaVersion !== 2)
    throw complain(`"schemaVersion" is ${shownJson(document.schemaVersion)}, expected 2`);
  const own = textOf(document.mediaType, '"mediaType"', complain);
  const looksLikeIndex = document.manifests !== undefined;
  if (looksLikeIndex && (document.layers !== undefined || document.config !== undefined))
    throw complain('it has the members of an index and of a manifest at once');
  if (said !== undefined && own !== undefined && own !== '' && said !== own)
    throw complain(`it was sent as ${said} but calls itself ${own.slice(0, 120)}`);
  const type = said ?? (own || (looksLikeIndex ? MEDIA.ociIndex : MEDIA.ociManifest));
  if (!INDEX_TYPES.includes(type) && !MANIFEST_TYPES.includes(type))
    throw complain(`media type ${type.slice(0, 120)} is neither an image manifest nor an index`);
  if (INDEX_TYPES.includes(type) !== looksLikeIndex)
    throw complain(`it was sent as ${type} but has the members of ${looksLikeIndex ? 'an index' : 'a manifest'}`);
  return type;
}

function readIndex(document: JsonObject, mediaType: string, complain: Complaint): ImageIndex {
  const manifests = listOf(document.manifests, '"manifests"', complain).map((value, at) =>
    readDescriptor(value, `"manifests"[${at}]`, complain),
  );
  return { schemaVersion: 2, mediaType, manifests, ...annotationsOf(document, 'it', complain) };
}

function readManifest(document: JsonObject, mediaType: string, complain: Complaint): ImageManifest {
  const config = readDescriptor(document.config, '"config"', complain);
  const layers = listOf(document.layers, '"layers"', complain).map((value, at) =>
    readDescriptor(value, `"layers"[${at}]`, complain),
  );
  return { schemaVersion: 2, mediaType, config, layers, ...annotationsOf(document, 'it', complain) };
}

/** Reads one descriptor of a manifest or an index; `name` says which in the error. */
function readDescriptor(value: unknown, name: string, complain: Complaint): Descriptor {
  const document = objectOf(value, name, complain);
  const digest = document.digest;
  if (!isDigest(digest)) throw complain(`the digest of ${name} is ${shownJson(digest)}, expected a sha256 digest`);
  const size = countOf(document.size, `the size of ${name}`, complain);
  if (size === undefined) throw complain(`${name} has no size`);
  const mediaType = textOf(document.mediaType, `the media type of ${name}`, complain);
  if (!mediaType) throw complain(`${name} has no media type`);
  const urls = textsOf(document.urls, `"urls" of ${name}`, complain);
  const artifactType = textOf(document.artifactType, `"artifactType" of ${name}`, complain);
  const data = textOf(document.data, `"data" of ${name}`, complain);
  return {
    mediaType,
    digest,
    size,
    ...annotationsOf(document, name, complain),
    ...(document.platform ? { platform: readPlatform(document.platform, name, complain) } : {}),
    ...(urls.length > 0 ? { urls } : {}),
    ...(artifactType ? { artifactType } : {}),
    ...(data === undefined ? {} : { data }),
  };
}

function annotationsOf(document: JsonObject, name: string, complain: Complaint): Pick<Descriptor, 'annotations'> {
  const annotations = textMapOf(document.annotations, `"annotations" of ${name}`, complain);
  return Object.keys(annotations).length > 0 ? { annotations } : {};
}

function readPlatform(value: unknown, name: string, complain: Complaint): Platform {
  const document = objectOf(value, `the platform of ${name}`, complain);
  const text = (member: string) => textOf(document[member], `"${member}" of the platform of ${name}`, complain);
  const variant = text('variant');
  const version = text('os.version');
  const features = textsOf(document['os.features'], `"os.features" of the platform of ${name}`, complain);
  return {
    os: text('os') ?? '',
    architecture: text('architecture') ?? '',
    ...(variant ? { variant } : {}),
    ...(version ? { 'os.version': version } : {}),
    ...(features.length > 0 ? { 'os.features': features } : {}),
  };
}
