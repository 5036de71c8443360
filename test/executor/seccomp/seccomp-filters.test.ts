import { expect, test } from 'vitest';
import type { ProgressEvent } from '../../../src/core/progress.ts';
import { SeccompFilters } from '../../../src/executor/seccomp/seccomp-filters.ts';

test('a runtime that cannot filter is warned of, once, and only where a filter should be', () => {
  const events: ProgressEvent[] = [];
  const progress = { emit: (event: ProgressEvent) => void events.push(event) };
  const filters = new SeccompFilters(() => undefined);
  filters.warnIfMissing('insecure', progress);
  expect(events).toEqual([]);
  filters.warnIfMissing('sandbox', progress);
  filters.warnIfMissing('sandbox', progress);
  expect(events).toEqual([expect.objectContaining({ type: 'warning', code: 'SLIPWAY_SECCOMP_MISSING' })]);
  expect(filters.filter('sandbox')).toBeUndefined();
});

test('a filter is made once, and a step that may do anything has none', () => {
  let made = 0;
  const filters = new SeccompFilters((profile) => {
    made++;
    return { profile, annotations: {} };
  });
  const events: ProgressEvent[] = [];
  filters.warnIfMissing('sandbox', { emit: (event) => void events.push(event) });
  expect([filters.filter('sandbox'), filters.filter('sandbox')].map((filter) => filter?.annotations)).toEqual([{}, {}]);
  expect(filters.filter('insecure')).toBeUndefined();
  expect([made, events]).toEqual([1, []]);
});
