import { expect, it } from 'vitest';
import { findShell } from '../../../../solver/ops/exec/find-shell.ts';
import { addLayer, openLayerRig, type TestEntry } from '../../../rig/layers.ts';

const PROGRAM: TestEntry = { text: '', mode: 0o755 };
const ENV = ['PATH=/usr/bin:/bin'];

async function find(files: Readonly<Record<string, TestEntry>>, args: readonly string[]): Promise<readonly string[]> {
  using rig = openLayerRig();
  const folders = { '/': { folder: true }, '/bin': { folder: true } } as const;
  using view = await rig.layers.view([addLayer(rig.layers, { ...folders, ...files })], new AbortController().signal);
  return findShell(view, { args, env: ENV });
}

it.each<[string, Record<string, TestEntry>, string[], string[]]>([
  ["the stage's own", { '/bin/bash': PROGRAM, '/bin/sh': PROGRAM }, ['/bin/bash', '-c', 'x'], ['/bin/bash']],
  ['one that PATH has', { '/bin/zsh': PROGRAM, '/bin/sh': PROGRAM }, ['zsh', '-c', 'x'], ['zsh']],
  ['sh for a command that is no shell', { '/bin/sh': PROGRAM }, ['/bin/make', 'all'], ['/bin/sh']],
  ['sh where the own one is gone', { '/bin/sh': PROGRAM }, ['/bin/bash', '-c', 'x'], ['/bin/sh']],
  ['through symlinks', { '/bin/dash': PROGRAM, '/bin/sh': { symlink: 'dash' } }, ['x'], ['/bin/sh']],
  ['not what cannot be executed', { '/bin/sh': { text: '' }, '/bin/bash': PROGRAM }, ['x'], ['/bin/bash']],
  [
    "SHELL's, which takes two words",
    { '/busybox': { folder: true }, '/busybox/busybox': PROGRAM, '/bin/sh': PROGRAM },
    ['/busybox/busybox', 'sh', '-eu', '-c', 'x'],
    ['/busybox/busybox', 'sh'],
  ],
  [
    "SHELL's, which env finds",
    { '/bin/env': PROGRAM, '/bin/sh': PROGRAM },
    ['/bin/env', 'bash', '-c', 'x'],
    ['/bin/env', 'bash'],
  ],
  ['not a program that runs a script', { '/bin/sh': PROGRAM }, ['/bin/make', 'install.sh'], ['/bin/sh']],
  ["busybox's", { '/bin/busybox': PROGRAM }, ['x'], ['/bin/busybox', 'sh']],
])('the shell is %s', async (_what, files, args, shell) => {
  expect(await find(files, args)).toEqual(shell);
});

it('a root without a shell cannot be entered', async () => {
  await expect(find({}, ['/server'])).rejects.toMatchObject({ code: 'SLIPWAY_SHELL_MISSING' });
});
