import { closeSync, openSync, readSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import type { Digest } from '../../src/core/digest.ts';
import type { ContentStore } from '../content/content-store.ts';
import type { Database } from '../database.ts';
import type { MemberKey } from './member-keys.ts';

/** A member, compressed, and how many bytes of tar it is. */
export interface Member {
  readonly compressed: Buffer;
  readonly tarBytes: number;
}

/** Where a member stands in a blob. */
export interface MemberPlace {
  readonly key: MemberKey;
  readonly place: number;
  readonly size: number;
  readonly tarBytes: number;
  /** CRC-32 of the compressed bytes. */
  readonly checksum: number;
}

/** Members that were compressed before, found inside the blobs that they are part of: nothing is stored twice. Disposing closes these. */
export interface MemberTable extends Disposable {
  /** The member as it was saved, where a blob that has it is still there. */
  find(key: MemberKey): Member | undefined;
  save(blob: Digest, members: readonly MemberPlace[]): void;
}

/** The members that the database knows of. */
export function openMemberTable(database: Database, content: ContentStore): MemberTable {
  let last: { readonly digest: Digest; readonly file: number | undefined } | undefined;
  const close = () => {
    if (last?.file !== undefined) closeSync(last.file);
    last = undefined;
  };
  // Neighbours in one blob were neighbours in an earlier one.
  const fileOf = (digest: Digest) => {
    if (last?.digest !== digest) {
      close();
      const path = content.path(digest);
      last = { digest, file: path === undefined ? undefined : openSync(path, 'r') };
    }
    return last.file;
  };
  return {
    find(key) {
      const row = database
        .statement('SELECT blob, place, size, tar_size, checksum FROM layer_members WHERE key = ?')
        .get(key);
      const file = row === undefined ? undefined : fileOf(row.blob as Digest);
      if (row === undefined || file === undefined) return undefined;
      const compressed = readPiece(file, Number(row.place), Number(row.size));
      // What a disk lost is compressed again.
      if (compressed === undefined || crc32(compressed) !== Number(row.checksum)) return undefined;
      return { compressed, tarBytes: Number(row.tar_size) };
    },
    save: (blob, members) =>
      database.transaction(() => {
        const insert = database.statement(
          'INSERT OR REPLACE INTO layer_members (key, blob, place, size, tar_size, checksum) VALUES (?, ?, ?, ?, ?, ?)',
        );
        for (const { key, place, size, tarBytes, checksum } of members)
          insert.run(key, blob, place, size, tarBytes, checksum);
      }),
    [Symbol.dispose]: close,
  };
}

function readPiece(file: number, place: number, size: number): Buffer | undefined {
  const bytes = Buffer.allocUnsafeSlow(size);
  return readSync(file, bytes, 0, size, place) === size ? bytes : undefined;
}
