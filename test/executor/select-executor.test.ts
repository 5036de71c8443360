import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, onTestFinished, test } from 'vitest';
import { type ExecutorChoice, selectExecutor } from '../../src/executor/select-executor.ts';

function folderWith(...programs: string[]): string {
  const folder = mkdtempSync(`${tmpdir()}/slipway-path-`);
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const program of programs) {
    writeFileSync(`${folder}/${program}`, '');
    chmodSync(`${folder}/${program}`, 0o755);
  }
  return folder;
}

function choice(change: Partial<ExecutorChoice>): ExecutorChoice {
  return { isolation: 'auto', env: {}, stateDir: '/nowhere', scratchDir: '/nowhere', xattrs: 'trusted', ...change };
}

test('crun comes before runc, and a name or a path chooses another', () => {
  const PATH = folderWith('runc', 'crun', 'youki');
  const name = (change: Partial<ExecutorChoice>) => selectExecutor(choice({ env: { PATH }, ...change })).name;
  expect(name({})).toBe('crun');
  expect(name({ isolation: 'oci', ociRuntime: 'runc' })).toBe('runc');
  expect(name({ ociRuntime: `${PATH}/youki` })).toBe('youki');
});

test('a runtime that is not there is an error that says what to install', () => {
  const select = () => selectExecutor(choice({ ociRuntime: 'no-such-runtime', env: { PATH: folderWith() } }));
  expect(select).toThrow(
    expect.objectContaining({
      code: 'SLIPWAY_RUNTIME_MISSING',
      hint: expect.stringContaining('apt-get install -y crun'),
    }),
  );
});

test('native isolation needs no runtime, and is what is left where there is none', () => {
  expect(selectExecutor(choice({ isolation: 'native' })).name).toBe('native');
  expect(() => selectExecutor(choice({ isolation: 'oci', ociRuntime: 'no-such-runtime' }))).toThrow(
    expect.objectContaining({ code: 'SLIPWAY_RUNTIME_MISSING' }),
  );
});

test('chroot isolation comes only when it is asked for', () => {
  expect(selectExecutor(choice({ isolation: 'chroot' })).name).toBe('chroot');
  expect(selectExecutor(choice({ isolation: 'auto', env: { PATH: folderWith() } })).name).not.toBe('chroot');
});
