import { hash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import type { Digest } from '../../src/core/digest.ts';
import type { ContentStore } from '../content/content-store.ts';
import type { Database } from '../database.ts';
import type { MemberCompression } from './compression.ts';

/** Digest of the tar bytes of a member and of how they are compressed. */
export type MemberKey = Buffer & { readonly __memberKey: never };

/** Where a member stands in a blob. */
export interface MemberPlace {
  readonly key: MemberKey;
  readonly place: number;
  readonly size: number;
}

/** Members that were compressed before, found inside the blobs that they are part of: nothing is stored twice. */
export interface MemberTable {
  keyOf(tarBytes: Uint8Array, compression: MemberCompression): MemberKey;
  /** The member's bytes, where a blob that has it is still there. */
  find(key: MemberKey): Buffer | undefined;
  save(blob: Digest, members: readonly MemberPlace[]): void;
}

/** The members that the database knows of. */
export function openMemberTable(database: Database, content: ContentStore): MemberTable {
  return {
    keyOf: (tarBytes, { type, level }) =>
      hash('sha256', `${type} ${level} ${hash('sha256', tarBytes, 'hex')}`, 'buffer') as MemberKey,
    find(key) {
      const row = database.statement('SELECT blob, place, size FROM layer_members WHERE key = ?').get(key);
      const path = row === undefined ? undefined : content.path(row.blob as Digest);
      if (row === undefined || path === undefined) return undefined;
      return readPiece(path, Number(row.place), Number(row.size));
    },
    save: (blob, members) =>
      database.transaction(() => {
        const insert = database.statement(
          'INSERT OR REPLACE INTO layer_members (key, blob, place, size) VALUES (?, ?, ?, ?)',
        );
        for (const { key, place, size } of members) insert.run(key, blob, place, size);
      }),
  };
}

function readPiece(path: string, place: number, size: number): Buffer | undefined {
  const bytes = Buffer.allocUnsafe(size);
  const file = openSync(path, 'r');
  try {
    return readSync(file, bytes, 0, size, place) === size ? bytes : undefined;
  } finally {
    closeSync(file);
  }
}
