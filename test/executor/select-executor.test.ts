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

/** The name of what is chosen where exactly `programs` are installed. */
function chosenWith(programs: readonly string[], change: Partial<ExecutorChoice> = {}): string {
  const PATH = folderWith(...programs);
  return selectExecutor(choice({ env: { PATH }, systemFolders: [], ...change })).name;
}

test.each([
  ['crun', ['runc', 'crun', 'youki']],
  ['runc', ['runc', 'youki']],
  ['native', ['youki']],
  ['native', []],
])('auto takes %s where there are %j', (name, programs) => {
  expect(chosenWith(programs)).toBe(name);
});

test('isolation oci takes crun, then runc, and nothing else by itself', () => {
  expect(chosenWith(['crun', 'runc'], { isolation: 'oci' })).toBe('crun');
  expect(chosenWith(['runc'], { isolation: 'oci' })).toBe('runc');
  expect(() => chosenWith(['youki'], { isolation: 'oci' })).toThrow(
    expect.objectContaining({ code: 'SLIPWAY_RUNTIME_MISSING' }),
  );
});

test('a runtime that is named is taken, by name or by path, whatever else there is', () => {
  const PATH = folderWith('runc', 'crun', 'youki');
  const name = (ociRuntime: string) => selectExecutor(choice({ env: { PATH }, ociRuntime })).name;
  expect([name('runc'), name(`${PATH}/youki`)]).toEqual(['runc', 'youki']);
});

test("the system's folders come after PATH, which may lack them", () => {
  const [PATH, system] = [folderWith('runc'), folderWith('crun')];
  expect(chosenWith([], { systemFolders: [system] })).toBe('crun');
  expect(selectExecutor(choice({ env: { PATH }, systemFolders: [system], ociRuntime: 'runc' })).name).toBe('runc');
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
