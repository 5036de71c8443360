import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AMD64, ARM64, type Exported, openExportRig, resultOf } from './export-rig.ts';

const LAYER = {
  '/bin': { folder: true, mode: 0o555 },
  '/bin/tool': { text: '#!/bin/sh\n', mode: 0o4755, link: 'tool' },
  '/bin/tool2': { text: '#!/bin/sh\n', hardLinkTo: '/bin/tool', link: 'tool' },
  '/etc': { folder: true },
  '/etc/a': { text: 'a\n' },
  '/etc/absolute': { symlink: '/etc/a' },
  '/pipe': { fifo: true },
} as const;

let rig: Exported;
beforeEach(() => {
  rig = openExportRig();
});
afterEach(() => rig[Symbol.dispose]());
const at = (name: string) => join(rig.folder, name);
const LOCAL = { type: 'local', dest: 'out', attributes: {} } as const;

describe('type=local', () => {
  it('writes files with their modes, times, links and kinds', async () => {
    await rig.run(LOCAL, [resultOf(rig, [LAYER])]);
    expect(readdirSync(at('out')).sort()).toEqual(['bin', 'etc', 'pipe']);
    expect(statSync(at('out/bin')).mode & 0o7777).toBe(0o555);
    expect(statSync(at('out/bin/tool')).mode & 0o7777).toBe(0o4755);
    expect(statSync(at('out/bin/tool2')).ino).toBe(statSync(at('out/bin/tool')).ino);
    expect(statSync(at('out/etc/a')).mtimeMs).toBe(1_600_000_000_000);
    expect(lstatSync(at('out/etc/absolute')).mtimeMs).toBe(1_600_000_000_000);
    expect(statSync(at('out/etc')).mtimeMs).toBe(1_600_000_000_000);
    expect(readlinkSync(at('out/etc/absolute'))).toBe('/etc/a');
    expect(lstatSync(at('out/pipe')).isFIFO()).toBe(true);
    expect(statSync(at('out/etc/a')).uid).toBe(process.getuid?.());
  });

  it('can be done again over itself', async () => {
    for (let time = 0; time < 2; time++) await rig.run(LOCAL, [resultOf(rig, [LAYER])]);
    expect(readFileSync(at('out/bin/tool2'), 'utf8')).toBe('#!/bin/sh\n');
    expect(readdirSync(at('out/bin'))).toEqual(['tool', 'tool2']);
  });

  it('removes what an export left in its folders that was killed while it wrote', async () => {
    await rig.run(LOCAL, [resultOf(rig, [LAYER])]);
    const abandoned = spawnSync(process.execPath, [
      '--input-type=module',
      '-e',
      "process.stdout.write((await import(process.argv[1])).temporaryName('slipway'))",
      join(import.meta.dirname, '../../src/export/temporary-name.ts'),
    ]).stdout.toString();
    expect(abandoned).toMatch(/^\.slipway\..*\.tmp$/);
    for (const folder of ['', 'bin/']) writeFileSync(at(`out/${folder}${abandoned}`), 'half');
    await rig.run(LOCAL, [resultOf(rig, [LAYER])]);
    expect(readdirSync(at('out')).sort()).toEqual(['bin', 'etc', 'pipe']);
    expect(readdirSync(at('out/bin'))).toEqual(['tool', 'tool2']);
  });

  it('writes a file whose name would mean a removed one in an image, as docker does', async () => {
    await rig.run(LOCAL, [resultOf(rig, [{ '/.wh.x': { text: 'no whiteout' }, '/x': { text: 'x' } }])]);
    expect(readdirSync(at('out')).sort()).toEqual(['.wh.x', 'x']);
  });

  it('keeps what else is in the folder', async () => {
    mkdirSync(at('out/etc'), { recursive: true });
    writeFileSync(at('out/etc/mine'), 'mine');
    await rig.run(LOCAL, [resultOf(rig, [LAYER])]);
    expect(readFileSync(at('out/etc/mine'), 'utf8')).toBe('mine');
  });

  it('never writes through a symlink that is in the folder', async () => {
    mkdirSync(at('outside'));
    writeFileSync(at('outside/a'), 'untouched');
    mkdirSync(at('out'));
    symlinkSync(at('outside'), at('out/etc'));
    symlinkSync(at('outside/a'), at('out/pipe'));
    await rig.run(LOCAL, [resultOf(rig, [LAYER])]);
    expect(readFileSync(at('outside/a'), 'utf8')).toBe('untouched');
    expect(readdirSync(at('outside'))).toEqual(['a']);
    expect(lstatSync(at('out/etc')).isDirectory()).toBe(true);
    expect(lstatSync(at('out/pipe')).isFIFO()).toBe(true);
  });

  it('replaces a folder by a file and a file by a folder', async () => {
    mkdirSync(at('out/pipe/deep'), { recursive: true });
    writeFileSync(at('out/etc'), 'a file');
    await rig.run(LOCAL, [resultOf(rig, [LAYER])]);
    expect(readFileSync(at('out/etc/a'), 'utf8')).toBe('a\n');
  });

  it('removes what is not in the result with mode=delete, and nothing behind symlinks', async () => {
    mkdirSync(at('outside'));
    writeFileSync(at('outside/a'), 'untouched');
    mkdirSync(at('out/etc/old/deep'), { recursive: true });
    symlinkSync(at('outside'), at('out/link'));
    const spec = { ...LOCAL, attributes: { mode: 'delete' } };
    await rig.run(spec, [resultOf(rig, [LAYER])], { allow: ['buildx.local.delete'] });
    expect(readdirSync(at('out')).sort()).toEqual(['bin', 'etc', 'pipe']);
    expect(readdirSync(at('out/etc')).sort()).toEqual(['a', 'absolute']);
    expect(readFileSync(at('outside/a'), 'utf8')).toBe('untouched');
  });

  it('gives each of several platforms a folder', async () => {
    await rig.run(LOCAL, [resultOf(rig, [LAYER], AMD64), resultOf(rig, [LAYER], ARM64)], { epoch: 1000 });
    expect(readdirSync(at('out')).sort()).toEqual(['linux_amd64', 'linux_arm64']);
    expect(statSync(at('out/linux_arm64/etc/a')).mtimeMs).toBe(1_000_000);
    expect(statSync(at('out/linux_arm64')).mtimeMs).toBe(1_000_000);
  });

  it('lets everybody into the folders of several platforms', async () => {
    await rig.run(LOCAL, [resultOf(rig, [LAYER], AMD64), resultOf(rig, [LAYER], ARM64)]);
    const { mode, mtimeMs } = statSync(at('out/linux_arm64'));
    expect([mode & 0o7777, mtimeMs]).toEqual([0o755, 0]);
  });

  it('refuses files that two platforms both have without split', async () => {
    const spec = { ...LOCAL, attributes: { 'platform-split': 'false' } };
    const results = [resultOf(rig, [LAYER], AMD64), resultOf(rig, [LAYER], ARM64)];
    await expect(rig.run(spec, results)).rejects.toMatchObject({ code: 'SLIPWAY_OUTPUT_COLLISION' });
    expect(existsSync(at('out'))).toBe(false);
  });

  it('applies whiteouts and upper layers', async () => {
    const upper = { '/etc': { folder: true }, '/etc/a': { removed: true }, '/bin': { folder: true } } as const;
    await rig.run(LOCAL, [resultOf(rig, [LAYER, upper])]);
    expect(readdirSync(at('out/etc'))).toEqual(['absolute']);
  });
});

describe('type=tar', () => {
  it('has every file with its attributes, names without a leading slash, second names as hard links', async () => {
    await rig.run({ type: 'tar', dest: 'root.tar', attributes: {} }, [resultOf(rig, [LAYER])]);
    const listed = execFileSync('tar', ['--utc', '--numeric-owner', '-tvf', at('root.tar')], { encoding: 'utf8' });
    expect(listed.split('\n').map((line) => line.replace(/\s+/g, ' '))).toEqual([
      'dr-xr-xr-x 0/0 0 2020-09-13 12:26 bin/',
      '-rwsr-xr-x 0/0 10 2020-09-13 12:26 bin/tool',
      expect.stringMatching(/^hrw.* bin\/tool2 link to bin\/tool$/),
      'drwxr-xr-x 0/0 0 2020-09-13 12:26 etc/',
      '-rw-r--r-- 0/0 2 2020-09-13 12:26 etc/a',
      'lrwxrwxrwx 0/0 0 2020-09-13 12:26 etc/absolute -> /etc/a',
      'prw------- 0/0 0 2020-09-13 12:26 pipe',
      '',
    ]);
  });
});
