import { lstatSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { LayerFolderWriter } from '../../cache/layers/layer-folder-writer.ts';
import type { BytePath } from '../../src/core/byte-path.ts';
import { errnoOf, SlipwayError } from '../../src/core/errors.ts';
import type { FileEntry } from '../../src/core/file-tree.ts';
import { temporaryFolder } from '../rig/temporary-folder.ts';

const LAYERS = 150;
const OPERATIONS = 25;

/** mulberry32: the same numbers for the same seed. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

it('4ed7a2f: no removal, copy, link or whiteout of a layer leaves it, whatever symlinks and names it has', () => {
  const base = temporaryFolder('hostile-layers');
  const victim = `${base}/victim`;
  mkdirSync(`${victim}/d/e`, { recursive: true });
  for (const name of ['f', 'd/f', 'd/e/f']) writeFileSync(`${victim}/${name}`, 'of the host');
  const before = stateOf(victim);
  const targets = [
    victim,
    `../../../../../../..${victim}`,
    '..',
    '../..',
    '/',
    '.',
    'a',
    'b/..',
    `/proc/self/cwd`,
    '../victim/d',
  ];
  const names = ['a', 'b', 'd', 'e', 'f', 'victim', '..', '.', 'x'];
  const outcomes = new Map<string, number>();
  for (let seed = 0; seed < LAYERS; seed++) {
    const random = randomNumbers(seed);
    const one = <T>(values: readonly T[]): T => values[random(values.length)] as T;
    const root = `${base}/layer-${seed}`;
    mkdirSync(root, 0o700);
    const writer = new LayerFolderWriter({ root, prefix: 'trusted.overlay.', below: undefined });
    const path = () => `/${Array.from({ length: 1 + random(4) }, () => one(names)).join('/')}` as BytePath;
    const file = (type: FileEntry['type']): FileEntry => ({ type, mode: 0o755, uid: 0, gid: 0, size: 0, mtime: 0 });
    const operations = [
      () => writer.symlink(path(), { ...file('symlink'), target: one(targets) as BytePath }),
      () => writer.symlink(path(), { ...file('symlink'), target: one(targets) as BytePath }),
      () => writer.remove(path()),
      () => writer.remove(path()),
      () => writer.folder(path(), file('dir')),
      () => writer.makeOpaque(path()),
      () => writer.link(path(), path()),
      () => writer.file(path(), { ...file('file'), size: 1 }, () => {}),
    ];
    for (let count = 0; count < OPERATIONS; count++) {
      const outcome = attempt(one(operations));
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    expect(stateOf(victim), `seed ${seed}`).toEqual(before);
  }
  expect(outcomes.get('done')).toBeGreaterThan(LAYERS);
  expect(readdirSync(base).filter((name) => !name.startsWith('layer-'))).toEqual(['victim']);
});

function attempt(operation: () => void): string {
  try {
    operation();
    return 'done';
  } catch (error) {
    if (error instanceof SlipwayError || errnoOf(error) !== undefined) return 'refused';
    if (error instanceof Error && error.message.startsWith('internal: no place for')) return 'refused';
    throw error;
  }
}

function stateOf(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const { mode, size, nlink, ctimeMs } = lstatSync(`${root}/${name}`);
      return [name, mode.toString(8), size, nlink, ctimeMs].join(' ');
    });
}
