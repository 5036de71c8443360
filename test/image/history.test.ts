import { describe, expect, it } from 'vitest';
import type { HistoryEntry } from '../../src/core/image-config.ts';
import { completeHistory } from '../../src/image/history.ts';

const NOW = Date.UTC(2026, 0, 1);
const at = (second: number) => Date.UTC(2026, 0, 1, 0, 0, second);
const time = (second: number) => `2026-01-01T00:00:0${second}Z`;
const layer: HistoryEntry = { created_by: 'RUN x' };
const empty: HistoryEntry = { created_by: 'ENV x', empty_layer: true };
const base: HistoryEntry = { created_by: 'base', created: '2020-01-01T00:00:00Z' };

type Case = readonly [
  name: string,
  history: readonly HistoryEntry[],
  layerTimes: readonly (number | undefined)[],
  created: readonly string[],
];

describe('the history of an assembled image', () => {
  it.each<Case>([
    ['a layer has the time at which it was made', [base, layer], [undefined, at(3)], ['2020-01-01T00:00:00Z', time(3)]],
    [
      'an entry without a layer has the time of a new layer',
      [base, layer, empty, layer, empty],
      [undefined, at(3), at(5)],
      ['2020-01-01T00:00:00Z', time(3), time(5), time(5), time(5)],
    ],
    [
      'an entry without a layer before all new layers has the time of the first of them',
      [base, empty, layer],
      [undefined, at(3)],
      ['2020-01-01T00:00:00Z', time(3), time(3)],
    ],
    [
      'an image that only adds configuration is as old as its base',
      [base, empty],
      [undefined],
      ['2020-01-01T00:00:00Z', '2020-01-01T00:00:00Z'],
    ],
    ['an image of configuration alone was made now', [empty], [], [time(0)]],
  ])('%s', (_name, history, layerTimes, created) => {
    expect(completeHistory(history, { layerTimes, now: NOW }).map((entry) => entry.created)).toEqual(created);
  });

  it('is SOURCE_DATE_EPOCH in what the build added, and as it was in the base', () => {
    const late: HistoryEntry = { ...base, created: '2030-01-01T00:00:00Z' };
    const completed = completeHistory([late, layer, empty], {
      layerTimes: [undefined, at(3)],
      now: NOW,
      epoch: 1_000_000_000,
    });
    expect(completed.map((entry) => entry.created)).toEqual([
      '2030-01-01T00:00:00Z',
      '2001-09-09T01:46:40Z',
      '2001-09-09T01:46:40Z',
    ]);
  });

  it('gets an entry for every layer that has none', () => {
    const completed = completeHistory([layer], { layerTimes: [at(1), at(2)], now: NOW });
    expect(completed.map((entry) => [entry.created_by, entry.created])).toEqual([
      ['RUN x', time(1)],
      ['created by slipway', time(2)],
    ]);
  });

  it('speaks of no more layers than there are', () => {
    const completed = completeHistory([layer, layer, empty], { layerTimes: [at(1)], now: NOW });
    expect(completed.map((entry) => entry.empty_layer ?? false)).toEqual([false, true, true]);
  });
});
