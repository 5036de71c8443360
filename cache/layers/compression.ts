import { SlipwayError } from '../../src/core/errors.ts';
import type { Compression } from './layer-store.ts';

/** A compression that a member can be made with. */
export interface MemberCompression {
  readonly type: 'gzip' | 'zstd';
  readonly level: number;
}

/** BuildKit's outputs are of about this size, and so are ours. */
const DEFAULT_LEVEL = { gzip: 6, zstd: 3 } as const;
const LEVELS = { gzip: [1, 9], zstd: [1, 22] } as const;

/** Checks what was asked for; undefined is "uncompressed". */
export function memberCompressionOf({ type, level }: Compression): MemberCompression | undefined {
  if (type === 'uncompressed') return undefined;
  if (type === 'estargz')
    throw new SlipwayError('SLIPWAY_COMPRESSION_UNSUPPORTED', 'compression=estargz is not supported yet', {
      hint: 'use compression=gzip or compression=zstd',
    });
  const [lowest, highest] = LEVELS[type];
  if (level !== undefined && !(Number.isInteger(level) && level >= lowest && level <= highest))
    throw new SlipwayError(
      'SLIPWAY_COMPRESSION_LEVEL_INVALID',
      `compression-level=${level} is no level of ${type}: expected ${lowest} to ${highest}`,
    );
  return { type, level: level ?? DEFAULT_LEVEL[type] };
}
