import type { Database } from './database.ts';
import { isProcessIdentity, livenessOf, ownIdentity } from './process-identity.ts';

/** Something in the store that a process uses, or that it builds (`build`): what prune must leave alone. */
export type Resource = `build:${string}` | `layer:${string}` | `blob:${string}` | `mount:${string}` | `git:${string}`;

/** Keeps resources until it is disposed, or its process ends. */
export type Lease = Disposable;

/** Who uses what, across all processes of the store. Held by process identity, so nothing has to be renewed or cleaned up. */
export interface Leases {
  /** Holds resources beside whoever else holds them. */
  hold(resources: readonly Resource[]): Lease;
  /**
   * Holds one resource as `shared` beside other shared holders, or as `exclusive` beside nobody; undefined where a living holder
   * stands against it.
   */
  tryHold(resource: Resource, sharing: 'shared' | 'exclusive'): Lease | undefined;
  /** Everything that a living process holds; forgets the leases of dead ones. */
  held(): ReadonlySet<Resource>;
}

/** A lease as it is kept. */
export interface LeaseRow {
  readonly id: number;
  readonly process: string;
  readonly resource: string;
  readonly sharing: string;
  readonly created_at: number;
}

const COLUMNS = 'id, process, resource, sharing, created_at';
/** How long a lease counts whose process cannot be looked at (it is in another container), in milliseconds. */
const UNKNOWN_LIMIT = 24 * 60 * 60 * 1000;

/** Leases kept in `database`. */
export function openLeases(database: Database): Leases {
  const insert = (resource: Resource, sharing: string) =>
    database
      .statement('INSERT INTO leases (process, resource, sharing, created_at) VALUES (?, ?, ?, ?)')
      .run(ownIdentity(), resource, sharing, Date.now()).lastInsertRowid;
  const leaseOf = (ids: readonly (number | bigint)[]): Lease => {
    let released = false;
    return {
      [Symbol.dispose]: () => {
        if (released) return;
        released = true;
        database.transaction(() => {
          for (const id of ids) database.statement('DELETE FROM leases WHERE id = ?').run(id);
        });
      },
    };
  };
  return {
    hold: (resources) => leaseOf(database.transaction(() => resources.map((resource) => insert(resource, 'shared')))),
    tryHold: (resource, sharing) =>
      database.transaction(() => {
        const rows = database.statement(`SELECT ${COLUMNS} FROM leases WHERE resource = ?`).all(resource);
        const opposed = living(database, rows as unknown as LeaseRow[]).some(
          (holder) => sharing === 'exclusive' || holder.sharing === 'exclusive',
        );
        return opposed ? undefined : leaseOf([insert(resource, sharing)]);
      }),
    held: () => database.transaction(() => new Set(livingLeases(database).map((row) => row.resource as Resource))),
  };
}

/** Every lease of a living process; the others are forgotten. Called within a transaction. */
export function livingLeases(database: Database): readonly LeaseRow[] {
  return living(database, database.statement(`SELECT ${COLUMNS} FROM leases`).all() as unknown as LeaseRow[]);
}

/** The rows whose process lives; the others are deleted. */
function living(database: Database, rows: readonly LeaseRow[]): LeaseRow[] {
  return rows.filter((row) => {
    const held = isHeld(row);
    if (!held) database.statement('DELETE FROM leases WHERE id = ?').run(row.id);
    return held;
  });
}

function isHeld(row: LeaseRow): boolean {
  const liveness = isProcessIdentity(row.process) ? livenessOf(row.process) : 'dead';
  return liveness === 'alive' || (liveness === 'unknown' && row.created_at > Date.now() - UNKNOWN_LIMIT);
}
