import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { SlipwayError } from '../src/core/errors.ts';
import { SCHEMA_STEPS } from './schema.ts';

/** How long a write waits for another process's write, in milliseconds. Writes are short, so only a stopped process takes longer. */
const BUSY_TIMEOUT = 30_000;

/** The store's SQLite file. All calls are synchronous; reads take some 10 microseconds, a write transaction some 20. */
export interface Database extends Disposable {
  /** A prepared statement, kept for the next call with the same text. */
  statement(sql: string): StatementSync;
  /** Runs `work` in one write transaction, begun before it reads; rolled back if it throws. Not nested. */
  transaction<T>(work: () => T): T;
}

/**
 * Opens or makes the database at `path` and brings it to this version's schema. One that a newer slipway wrote is
 * `SLIPWAY_STORE_NEWER`, one that is no database `SLIPWAY_STORE_CORRUPT`; neither is touched.
 */
export function openDatabase(path: string): Database {
  const connection = new DatabaseSync(path, { timeout: BUSY_TIMEOUT });
  try {
    const version = schemaVersion(connection, path);
    whileBusy(() => connection.exec('PRAGMA journal_mode = WAL'));
    connection.exec('PRAGMA synchronous = NORMAL');
    const database = wrap(connection);
    if (version < SCHEMA_STEPS.length) migrate(connection, database, path);
    return database;
  } catch (error) {
    connection.close();
    throw error;
  }
}

const SQLITE_BUSY = 5;
const BUSY_PAUSE_MS = 5;

/** Tries again while another process makes the same database: for the change to WAL, SQLite does not wait by itself. */
function whileBusy(attempt: () => void): void {
  const deadline = Date.now() + BUSY_TIMEOUT;
  for (;;) {
    try {
      attempt();
      return;
    } catch (error) {
      const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : undefined;
      if (code !== SQLITE_BUSY || Date.now() > deadline) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BUSY_PAUSE_MS);
    }
  }
}

function wrap(connection: DatabaseSync): Database {
  const statements = new Map<string, StatementSync>();
  return {
    statement(sql) {
      const known = statements.get(sql);
      if (known !== undefined) return known;
      const statement = connection.prepare(sql);
      statements.set(sql, statement);
      return statement;
    },
    transaction(work) {
      connection.exec('BEGIN IMMEDIATE');
      try {
        const result = work();
        connection.exec('COMMIT');
        return result;
      } catch (error) {
        if (connection.isTransaction) connection.exec('ROLLBACK');
        throw error;
      }
    },
    [Symbol.dispose]: () => {
      if (connection.isOpen) connection.close();
    },
  };
}

function migrate(connection: DatabaseSync, database: Database, path: string): void {
  database.transaction(() => {
    // Read again: another process may have migrated while this one waited for the lock.
    for (let version = schemaVersion(connection, path); version < SCHEMA_STEPS.length; version++) {
      connection.exec(SCHEMA_STEPS[version] ?? '');
      connection.exec(`PRAGMA user_version = ${version + 1}`);
    }
  });
}

function schemaVersion(connection: DatabaseSync, path: string): number {
  const version = readUserVersion(connection, path);
  if (version > SCHEMA_STEPS.length)
    throw new SlipwayError(
      'SLIPWAY_STORE_NEWER',
      `the store database ${path} has version ${version}, and this slipway knows versions up to ${SCHEMA_STEPS.length}`,
      { hint: 'use a newer slipway, or another store folder (SLIPWAY_ROOT or --root)' },
    );
  return version;
}

const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

function readUserVersion(connection: DatabaseSync, path: string): number {
  try {
    return Number(connection.prepare('PRAGMA user_version').get()?.user_version);
  } catch (error) {
    const code = error instanceof Error && 'errcode' in error ? error.errcode : undefined;
    if (code !== SQLITE_CORRUPT && code !== SQLITE_NOTADB) throw error;
    throw new SlipwayError('SLIPWAY_STORE_CORRUPT', `${path} is not a database that slipway can read`, {
      hint: 'move the store folder away; a new one is made with the next build',
      cause: error,
    });
  }
}
