import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, onTestFinished, test } from 'vitest';
import { makeQuickFolder, spreadSubfolders } from '../../cache/quick-folder.ts';

function temporaryFolder(): string {
  const folder = mkdtempSync(`${tmpdir()}/slipway-quick-`);
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test('one empty folder is left, however many places were tried', () => {
  const parent = temporaryFolder();
  spreadSubfolders(parent);
  let count = 0;
  const path = makeQuickFolder(() => {
    const made = `${parent}/${count++}`;
    mkdirSync(made);
    return made;
  });
  expect(readdirSync(parent).map((name) => `${parent}/${name}`)).toEqual([path]);
  expect(readdirSync(path)).toEqual([]);
});

test('a folder whose subfolders are spread says so where its filesystem can, once or twice', () => {
  const parent = temporaryFolder();
  const flags = () => {
    try {
      return execFileSync('lsattr', ['-d', parent], { encoding: 'utf8', stdio: 'pipe' }).split(' ')[0] ?? '';
    } catch (error) {
      console.warn(`cannot look at the flags of ${parent}: ${(error as Error).message}`);
      return undefined;
    }
  };
  const before = flags();
  spreadSubfolders(parent);
  spreadSubfolders(parent);
  const after = flags();
  // Only the ext family has the flag; elsewhere nothing changes.
  const letters = (text: string | undefined) => text?.replaceAll('-', '').replace('T', '');
  expect(letters(after)).toBe(letters(before));
  if (before?.includes('e')) expect(after).toContain('T');
});
