import { closeSync, openSync, readSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import type { Digest } from '../../src/core/digest.ts';
import type { ContentStore } from '../content/content-store.ts';
import type { Database } from '../database.ts';
import type { MemberDigestStates } from './member-digests.ts';
import type { MemberKey } from './member-keys.ts';

/** A member, compressed, and how many bytes of tar it is. */
export interface Member {
  readonly compressed: Buffer;
  readonly tarBytes: number;
}

/** A member as a blob has it. */
export interface StoredMember extends Member {
  /** CRC-32 of the compressed bytes. */
  readonly checksum: number;
  /** Where the key says what is before the member, too. */
  readonly states?: MemberDigestStates;
}

/** Where a member stands in a blob. */
export interface MemberPlace extends Omit<StoredMember, 'compressed'> {
  readonly key: MemberKey;
  readonly place: number;
  readonly size: number;
}

/** Members that were compressed before, found inside the blobs that they are part of: nothing is stored twice. Disposing closes these. */
export interface MemberTable extends Disposable {
  /** The member as it was saved, where a blob that has it is still there. `allocate` gives room for its compressed bytes. */
  find(key: MemberKey, allocate?: (size: number) => Buffer): StoredMember | undefined;
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
    find(key, allocate = Buffer.allocUnsafeSlow) {
      const row = database.statement('SELECT * FROM layer_members WHERE key = ?').get(key);
      const file = row === undefined ? undefined : fileOf(row.blob as Digest);
      if (row === undefined || file === undefined) return undefined;
      const compressed = readPiece(file, allocate(Number(row.size)), Number(row.place));
      if (compressed === undefined) return undefined;
      const checksum = crc32(compressed);
      const states = row.states instanceof Uint8Array ? (Buffer.from(row.states) as MemberDigestStates) : undefined;
      // What a disk lost is compressed again.
      if (rowChecksum(checksum, states) !== Number(row.checksum)) return undefined;
      const member = { compressed, tarBytes: Number(row.tar_size), checksum };
      return states === undefined ? member : { ...member, states };
    },
    save: (blob, members) =>
      database.transaction(() => {
        const insert = database.statement('INSERT OR REPLACE INTO layer_members VALUES (?, ?, ?, ?, ?, ?, ?)');
        for (const { key, place, size, tarBytes, checksum, states } of members)
          insert.run(key, blob, place, size, tarBytes, rowChecksum(checksum, states), states ?? null);
      }),
    [Symbol.dispose]: close,
  };
}

/** Of the compressed bytes' checksum and the states: OpenSSL is given none that were damaged. */
function rowChecksum(checksum: number, states: MemberDigestStates | undefined): number {
  return states === undefined ? checksum : crc32(states, checksum);
}

function readPiece(file: number, into: Buffer, place: number): Buffer | undefined {
  return readSync(file, into, 0, into.length, place) === into.length ? into : undefined;
}
