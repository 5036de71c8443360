import {
  closeSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openHostContent } from '../../cache/layers/host-content.ts';
import { treeContent } from '../../cache/trees/tree-content.ts';
import { openFolderTree } from '../../src/context/folder-tree.ts';
import type { BytePath } from '../../src/core/byte-path.ts';
import { errnoOf, SlipwayError } from '../../src/core/errors.ts';
import { compileIgnorePatterns } from '../../src/core/ignore-patterns.ts';
import { RootedFolder } from '../../src/export/rooted-folder.ts';
import { startSwapping } from './symlink-swapper.ts';

const ROUNDS = Number(process.env.SLIPWAY_RACE_ROUNDS ?? 4_000);
/** In milliseconds: what was swapped until then is counted. */
const LONGEST = 30_000;
/** Both files look the same from outside, so that nothing but the inode tells them apart. */
const OURS = 'ours  ';
const SECRET = 'secret';

let base: string;
let victim: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'slipway-race-'));
  victim = `${base}/victim`;
  for (const [folder, text] of [
    [`${base}/top/d/e`, OURS],
    [`${victim}/e`, SECRET],
  ] as const) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${folder}/file`, text);
  }
  writeFileSync(`${victim}/e/of-the-victim`, '');
  symlinkSync(victim, `${base}/link`);
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

/** Calls `act` thousands of times while `top/d` is swapped for a symlink to the victim as often; returns what came of each call. */
async function race(act: () => string): Promise<Map<string, number>> {
  await using swapping = await startSwapping(`${base}/top/d`, `${base}/link`, `${base}/aside`);
  const outcomes = new Map<string, number>();
  const end = Date.now() + LONGEST;
  for (let round = 0; (round < ROUNDS || swapping.swaps < ROUNDS) && Date.now() < end; round++) {
    const outcome = act();
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    if (round % 100 === 0) await setImmediate();
  }
  expect(swapping.swaps).toBeGreaterThanOrEqual(ROUNDS);
  if (process.env.SLIPWAY_RACE_SHOW === '1') console.log(outcomes);
  return outcomes;
}

/** An output may remove the link itself. */
function restoreLink(): void {
  try {
    symlinkSync(victim, `${base}/link`);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
}

function failure(error: unknown): string {
  const code = error instanceof SlipwayError ? error.code : errnoOf(error);
  if (code === undefined) throw error;
  return code;
}

describe('a folder that is swapped for a symlink all the time', () => {
  it('is seen through the link by a plain read, so that the race is one', async () => {
    const outcomes = await race(() => {
      try {
        return readFileSync(`${base}/top/d/e/file`, 'utf8');
      } catch (error) {
        return failure(error);
      }
    });
    expect([...outcomes.keys()]).toEqual(expect.arrayContaining([OURS, SECRET]));
  });

  it('CVE-2018-15664: never lets a context show what the link leads to', async () => {
    const outcomes = await race(() => {
      using tree = openFolderTree(`${base}/top` as BytePath, compileIgnorePatterns([], '.dockerignore'));
      const path = '/d/e/file' as BytePath;
      try {
        const entry = tree.lstat(path);
        const names = tree.readdir('/d/e' as BytePath);
        if (entry?.type !== 'file') return `none ${names}`;
        using content = openHostContent({ ...treeContent(tree, path, entry), size: entry.size });
        const bytes = Buffer.alloc(entry.size);
        content.read(bytes);
        return `${bytes} ${names}`;
      } catch (error) {
        return failure(error);
      }
    });
    // The folder is there, or is not, at each of the two looks at it; and what is there is never anything else.
    const harmless = ['SLIPWAY_CONTEXT_CHANGED', 'none ', 'none file', `${OURS} `, `${OURS} file`];
    expect([...outcomes.keys()].filter((outcome) => !harmless.includes(outcome))).toEqual([]);
    expect(outcomes.get(`${OURS} file`)).toBeGreaterThan(0);
  });

  it('CVE-2023-0778, CVE-2019-10152, CVE-2019-18466: never lets an output write, change or remove what the link leads to', async () => {
    writeFileSync(`${base}/source`, 'written by the build');
    const state = () =>
      readdirSync(victim, { recursive: true, encoding: 'utf8' })
        .sort()
        .map((name) => [name, lstatSync(`${victim}/${name}`).mode, lstatSync(`${victim}/${name}`).ctimeMs].join(' '));
    const before = state();
    const source = openSync(`${base}/source`, 'r');
    const attributes = { mode: 0o666, mtime: 5 };
    const outcomes = await race(() => {
      restoreLink();
      try {
        using top = RootedFolder.open(`${base}/top`);
        using folder = top.folder('d' as BytePath);
        using inner = folder.folder('e' as BytePath);
        inner.file('file' as BytePath, source, attributes);
        inner.symlink('s' as BytePath, 'anywhere' as BytePath, attributes);
        folder.remove('e' as BytePath);
        folder.finish({ mode: 0o755, mtime: 5 });
        top.remove('d' as BytePath);
        return 'written';
      } catch (error) {
        return failure(error);
      }
    });
    closeSync(source);
    expect(outcomes.get('written')).toBeGreaterThan(0);
    expect(state()).toEqual(before);
  });
});

describe('a file of the context that changes while it is read', () => {
  it.each([
    ['grows', 'ours and more'],
    ['shrinks', 'o'],
    ['gets other bytes of the same length', 'other!'],
  ])('is noticed where it %s', async (_how, text) => {
    const tree = openFolderTree(`${base}/top` as BytePath, compileIgnorePatterns([], '.dockerignore'));
    const path = '/d/e/file' as BytePath;
    const entry = tree.lstat(path);
    if (entry === undefined) throw new Error('the file is not there');
    const content = treeContent(tree, path, entry);
    writeFileSync(`${base}/top${path}`, text);
    expect(() => openHostContent({ ...content, size: entry.size })).toThrow(
      expect.objectContaining({ code: 'SLIPWAY_CONTEXT_CHANGED' }),
    );
    tree[Symbol.dispose]();
  });
});
