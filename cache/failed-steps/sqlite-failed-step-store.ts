import { randomBytes } from 'node:crypto';
import { SlipwayError } from '../../src/core/errors.ts';
import type { Database } from '../database.ts';
import type { FailedStep, FailedStepStore } from './failed-step-store.ts';

/** Newest first; two of one millisecond in the order in which they were saved. */
const NEWEST_FIRST = 'ORDER BY created_at DESC, rowid DESC';

/** The failed steps in `database`. */
export function openFailedSteps(database: Database): FailedStepStore {
  return {
    save(step, limit) {
      const saved: FailedStep = { ...step, id: randomBytes(4).toString('hex'), createdAt: Date.now() };
      database.transaction(() => {
        database
          .statement('INSERT INTO failed_steps (id, created_at, step) VALUES (?, ?, ?)')
          .run(saved.id, saved.createdAt, JSON.stringify(saved));
        database
          .statement(`DELETE FROM failed_steps WHERE id NOT IN (SELECT id FROM failed_steps ${NEWEST_FIRST} LIMIT ?)`)
          .run(Math.max(1, limit));
      });
      return saved;
    },
    get(name) {
      const row =
        name === '@last'
          ? database.statement(`SELECT id, step FROM failed_steps ${NEWEST_FIRST} LIMIT 1`).get()
          : database.statement('SELECT id, step FROM failed_steps WHERE id = ?').get(name);
      return row === undefined ? undefined : stepOf(row);
    },
    list: () => database.statement(`SELECT id, step FROM failed_steps ${NEWEST_FIRST}`).all().map(stepOf),
  };
}

function stepOf({ id, step }: Readonly<Record<string, unknown>>): FailedStep {
  try {
    return JSON.parse(String(step)) as FailedStep;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new SlipwayError('SLIPWAY_STORE_CORRUPT', `the failed step ${String(id)} in the store is damaged`, {
      hint: 'slipway prune removes it',
      cause: error,
    });
  }
}
