import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { applyPatch, type Patch } from './broken-build.ts';

const PROJECT = join(import.meta.dirname, '../../..');

/** What became of the tests of one run. */
export interface TestOutcome {
  readonly passed: readonly string[];
  readonly failed: readonly string[];
  /** Files that could not even be loaded. */
  readonly broken: readonly string[];
}

/** A copy of the working tree in which files can be changed and tests be run. Disposing removes it. */
export interface ProjectCopy extends Disposable {
  /** Applies the patches, calls `act`, and puts the files back. Throws before that where a patch does not fit. */
  patched<T>(patches: readonly Patch[], act: () => T): T;
  /** Runs the tests of one file whose names match. */
  test(file: string, names: string): TestOutcome;
}

/** Copies all files that git knows or would take, as they are now; packages are shared. Every user may read the copy. */
export function copyProject(): ProjectCopy {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-broken-'));
  chmodSync(folder, 0o755);
  for (const name of projectFiles()) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    copyFileSync(join(PROJECT, name), join(folder, name));
  }
  symlinkSync(join(PROJECT, 'node_modules'), join(folder, 'node_modules'));
  return {
    patched: (patches, act) => withPatches(folder, patches, act),
    test: (file, names) => runTests(folder, file, names),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function projectFiles(): readonly string[] {
  const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--deduplicate'];
  const list = (...more: readonly string[]) => {
    const { status, stdout, stderr } = spawnSync('git', [...args, ...more], { cwd: PROJECT, encoding: 'utf8' });
    if (status !== 0) throw new Error(`git ls-files: ${stderr}`);
    return stdout.split('\0').filter((name) => name !== '');
  };
  const removed = new Set(
    spawnSync('git', ['ls-files', '-z', '--deleted'], { cwd: PROJECT, encoding: 'utf8' }).stdout.split('\0'),
  );
  return list().filter((name) => !removed.has(name));
}

function withPatches<T>(folder: string, patches: readonly Patch[], act: () => T): T {
  const originals = new Map<string, string>();
  const changed = new Map<string, string>();
  for (const patch of patches) {
    const path = join(folder, patch.file);
    if (!originals.has(path)) originals.set(path, readFileSync(path, 'utf8'));
    changed.set(path, applyPatch(changed.get(path) ?? originals.get(path) ?? '', patch));
  }
  try {
    for (const [path, text] of changed) writeFileSync(path, text);
    return act();
  } finally {
    for (const [path, text] of originals) writeFileSync(path, text);
  }
}

interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

function runTests(folder: string, file: string, names: string): TestOutcome {
  const report = join(folder, 'report.json');
  const vitest = join(folder, 'node_modules/vitest/vitest.mjs');
  const args = [vitest, 'run', `test/${file}`, '-t', names, '--reporter=json', `--outputFile=${report}`];
  rmSync(report, { force: true });
  const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
  try {
    return outcomeOf(JSON.parse(readFileSync(report, 'utf8')) as Report);
  } catch (error) {
    throw new Error(`the tests of ${file} ended without a report:\n${stdout}${stderr}`, { cause: error });
  }
}

function outcomeOf({ testResults }: Report): TestOutcome {
  const all = testResults.flatMap(({ assertionResults }) => assertionResults);
  const named = (status: string) => all.filter((test) => test.status === status).map(({ fullName }) => fullName);
  const broken = testResults
    .filter(
      ({ status, assertionResults }) =>
        status === 'failed' && assertionResults.every((test) => test.status !== 'failed'),
    )
    .map(({ name }) => name);
  return { passed: named('passed'), failed: named('failed'), broken };
}
