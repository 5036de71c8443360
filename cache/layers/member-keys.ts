import { hash } from 'node:crypto';
import type { TarEntry } from '../tar/tar-entry.ts';
import { TAR_FORM } from '../tar/tar-writer.ts';
import { MEMBER_FORM } from './compress-members.ts';
import type { MemberCompression } from './compression.ts';
import type { LayerItem } from './layer-items.ts';

/** Names the bytes of a compressed member by what they are made from. */
export type MemberKey = Buffer & { readonly __memberKey: never };

/** A member by its tar bytes. */
export function contentKey(tarBytes: Uint8Array, compression: MemberCompression): MemberKey {
  return keyOf(`tar ${compressorName(compression)} ${hash('sha256', tarBytes, 'hex')}`);
}

/**
 * A member by what its tar bytes follow from, without reading a file: everything that an entry records, and the digests of the bytes.
 * Undefined where one of these is not known.
 */
export function recipeKey(items: readonly LayerItem[], compression: MemberCompression): MemberKey | undefined {
  let text = `recipe ${TAR_FORM} ${compressorName(compression)}`;
  for (const { entry, known } of items) {
    if (entry.type === 'file' && entry.size > 0 && known === undefined) return undefined;
    text += entryText(entry, known?.digest ?? '');
  }
  return keyOf(text);
}

/** No field contains a NUL, and every entry has the same number of fields. */
function entryText({ path, type, mode, uid, gid, size, mtime, target, device, xattrs }: TarEntry, digest: string) {
  const numbers = device === undefined ? '' : `${device.major}:${device.minor}`;
  const sorted = xattrs === undefined || xattrs.size === 0 ? '' : JSON.stringify([...xattrs]);
  return `\0${type}\0${path}\0${mode}\0${uid}\0${gid}\0${size}\0${mtime}\0${target ?? ''}\0${numbers}\0${sorted}\0${digest}`;
}

/** Another version of the library may compress the same bytes to others. */
function compressorName({ type, level }: MemberCompression): string {
  const version = type === 'gzip' ? process.versions.zlib : process.versions.zstd;
  return `${MEMBER_FORM} ${type} ${level} ${version}`;
}

function keyOf(text: string): MemberKey {
  return hash('sha256', text, 'buffer') as MemberKey;
}
