import type { Compression } from '../../cache/layers/layer-store.ts';
import { SlipwayError } from '../core/errors.ts';
import { type Annotation, parseAnnotationAttribute } from '../image/annotations.ts';
import type { ImageForm } from '../image/assemble.ts';
import type { OutputAttributes } from './output-attributes.ts';

const COMPRESSIONS = ['gzip', 'zstd', 'estargz', 'uncompressed'] as const;
const HIGHEST_LEVEL = { gzip: 9, estargz: 9, zstd: 22, uncompressed: 0 } as const;
/** 9999-12-31T23:59:59Z, the last second that RFC 3339 can write. */
export const LATEST_EPOCH = 253_402_300_799;

/** Reads the attributes that every image output has: compression, media types, annotations and times. */
export function readImageForm(attributes: OutputAttributes, annotations: readonly Annotation[]): ImageForm {
  const compression = readCompression(attributes);
  const mediaTypes = attributes.flag('oci-mediatypes') === false ? 'docker' : 'oci';
  const form: ImageForm = {
    compression,
    mediaTypes,
    annotations: [...annotations, ...attributes.family('annotation*.KEY', parseAnnotationAttribute)],
    clampFileTimes: attributes.flag('rewrite-timestamp') ?? true,
    ...optional('epoch', attributes.integer('source-date-epoch', 0, LATEST_EPOCH)),
  };
  attributes.unsupported('oci-artifact', 'slipway writes no attestations yet');
  attributes.unsupported('attestation-inline', 'slipway writes no attestations yet');
  attributes.unsupported('prefer-nondist-layers', 'slipway writes every layer as distributable');
  refuseDockerTypes(form);
  return form;
}

function readCompression(attributes: OutputAttributes): Compression {
  const type = attributes.choice('compression', COMPRESSIONS) ?? 'gzip';
  const level = attributes.integer('compression-level', type === 'gzip' ? -1 : 0, HIGHEST_LEVEL[type]);
  const force = attributes.flag('force-compression');
  return { type, ...optional('level', level), ...optional('force', force) };
}

function refuseDockerTypes({ mediaTypes, compression, annotations }: ImageForm): void {
  if (mediaTypes === 'oci') return;
  const only = (what: string) =>
    new SlipwayError('SLIPWAY_OPTION_INVALID', `--output: ${what} needs OCI media types, but oci-mediatypes=false`);
  if (compression.type === 'zstd' || compression.type === 'estargz') throw only(`compression=${compression.type}`);
  if (annotations.length > 0) throw only('an annotation');
}

function optional<Key extends string, Value>(key: Key, value: Value | undefined): { [K in Key]?: Value } {
  return value === undefined ? {} : ({ [key]: value } as { [K in Key]: Value });
}
