import { SlipwayError } from '../../src/core/errors.ts';
import type { Compression } from './layer-store.ts';

/** A compression that a member can be made with. */
export interface MemberCompression {
  readonly type: 'gzip' | 'zstd';
  readonly level: number;
}

/** How a blob is made: of members, with or without a table of contents; or uncompressed. */
export type BlobForm =
  | { readonly type: 'uncompressed' }
  | { readonly type: 'gzip' | 'zstd' | 'estargz'; readonly member: MemberCompression };

/** Go's gzip, BuildKit's, comes to the size of zlib's level 5 by its own default of 6: within 3 %, mostly larger. */
const DEFAULT_LEVEL = { gzip: 5, zstd: 3 } as const;
/** gzip's 0 only packs; -1 is gzip's word for the default, 0 that of zstd. */
const LEVELS = { gzip: [-1, 9], zstd: [0, 22] } as const;

/** Checks what was asked for. `SLIPWAY_COMPRESSION_LEVEL_INVALID` for a level that the compression has not. */
export function blobFormOf({ type, level }: Compression): BlobForm {
  if (type === 'uncompressed') return { type };
  const compressor = type === 'zstd' ? 'zstd' : 'gzip';
  const [lowest, highest] = LEVELS[compressor];
  if (level !== undefined && !(Number.isInteger(level) && level >= lowest && level <= highest))
    throw new SlipwayError(
      'SLIPWAY_COMPRESSION_LEVEL_INVALID',
      `compression-level=${level} is no level of ${type}: expected ${lowest} to ${highest}`,
    );
  const isDefault = level === undefined || level === (compressor === 'gzip' ? -1 : 0);
  return { type, member: { type: compressor, level: isDefault ? DEFAULT_LEVEL[compressor] : level } };
}
