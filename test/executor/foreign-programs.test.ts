import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { parseEmulator, programSupport, refuseForeignProgram } from '../../src/executor/foreign-programs.ts';
import { rootView } from '../../src/executor/root-view.ts';

const MACHINES = { amd64: 62, arm64: 183, s390x: 22 } as const;
const FOREIGN = process.arch === 'arm64' ? 'amd64' : 'arm64';
const NATIVE = process.arch === 'arm64' ? 'arm64' : 'amd64';

/** As the kernel shows what qemu-user-static registers for arm64. */
const ARM64_EMULATOR = `enabled
interpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P
flags: POCF
offset 0
magic 7f454c460201010000000000000000000200b700
mask ffffffffffffff00fffffffffffffffffeffffff
`;

function elf(machine: keyof typeof MACHINES): Buffer {
  const header = Buffer.alloc(64);
  header.write('\x7fELF\x02', 'latin1');
  header[5] = machine === 's390x' ? 2 : 1;
  header[6] = 1;
  if (machine === 's390x') header.writeUInt16BE(MACHINES[machine], 18);
  else header.writeUInt16LE(MACHINES[machine], 18);
  header[16] = 2;
  return header;
}

function rootWith(files: Readonly<Record<string, string | Buffer>>) {
  const folder = mkdtempSync(`${tmpdir()}/slipway-foreign-`);
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(`${folder}${path}`), { recursive: true });
    if (typeof content === 'string' && content.startsWith('->')) symlinkSync(content.slice(2), `${folder}${path}`);
    else writeFileSync(`${folder}${path}`, content);
  }
  return rootView(folder);
}

const step = (...args: string[]) => ({ args, env: ['PATH=/nowhere:/bin'], cwd: '/work' });
const refuseToStart = () => {
  throw new Error('tried although the table can be seen');
};
const without = () => ({ emulators: [], canStart: refuseToStart });
const refused = (text: string) =>
  expect.objectContaining({ code: 'SLIPWAY_PLATFORM_FOREIGN', message: expect.stringContaining(text) });

test.each([
  ['a program by its path', step('/bin/sh'), { '/bin/sh': elf(FOREIGN) }],
  ['a program that PATH finds', step('sh'), { '/bin/sh': elf(FOREIGN) }],
  ['a program below the working directory', step('./run'), { '/work/run': elf(FOREIGN) }],
  ['a program behind symlinks of the root', step('/bin/sh'), { '/bin/sh': '->/lib/sh', '/lib/sh': elf(FOREIGN) }],
  ["a script's interpreter", step('/run'), { '/run': '#! /bin/env sh\n', '/bin/env': elf(FOREIGN) }],
  ['a program of the other byte order', step('/bin/sh'), { '/bin/sh': elf('s390x') }],
])('%s for another machine is refused before it runs', (_, spec, files) => {
  expect(() => refuseForeignProgram(rootWith(files), spec, without)).toThrow(refused('without an emulator'));
});

test('the error says which program is for which machine, and what to install', () => {
  const refuse = () => refuseForeignProgram(rootWith({ '/bin/sh': elf(FOREIGN) }), step('sh'), without);
  expect(refuse).toThrow(`cannot run /bin/sh: it is a program for ${FOREIGN}, and this machine is ${NATIVE}`);
  expect(refuse).toThrow(expect.objectContaining({ hint: expect.stringContaining('qemu-user-static') }));
});

test.each([
  ["this machine's own programs", { '/bin/sh': elf(NATIVE) }],
  ['what is no program', { '/bin/sh': 'text' }],
  ['what is not there', {}],
  ['scripts that name themselves', { '/bin/sh': '#!/bin/sh\n' }],
])('%s are left to the runtime', (_, files) => {
  expect(() => refuseForeignProgram(rootWith(files), step('sh'), without)).not.toThrow();
});

test('an emulator that the kernel keeps open runs programs of its machine, and no others', () => {
  const emulator = parseEmulator(ARM64_EMULATOR);
  if (emulator === undefined) throw new Error('the entry was not understood');
  const support = () => ({ emulators: [emulator], canStart: refuseToStart });
  const refuse = (machine: 'arm64' | 's390x') => () =>
    refuseForeignProgram(rootWith({ '/bin/sh': elf(machine) }), step('sh'), support);
  expect(refuse('arm64')).not.toThrow();
  expect(refuse('s390x')).toThrow(refused('s390x'));
});

test('an emulator without the flag F must be in the image', () => {
  const emulator = parseEmulator(ARM64_EMULATOR.replace('POCF', 'OC'));
  if (emulator === undefined) throw new Error('the entry was not understood');
  const support = () => ({ emulators: [emulator], canStart: refuseToStart });
  const root = { '/bin/sh': elf(FOREIGN) };
  if (FOREIGN === 'arm64') {
    expect(() => refuseForeignProgram(rootWith(root), step('sh'), support)).toThrow(refused('without the flag F'));
    const inside = { ...root, [emulator.interpreter]: elf(NATIVE) };
    expect(() => refuseForeignProgram(rootWith(inside), step('sh'), support)).not.toThrow();
  }
});

test('disabled entries and entries by extension are no emulators', () => {
  expect(parseEmulator(ARM64_EMULATOR.replace('enabled', 'disabled'))).toBeUndefined();
  expect(parseEmulator('enabled\ninterpreter /bin/x\nflags: \nextension .exe\n')).toBeUndefined();
});

test('where the table cannot be seen, a program that does nothing is tried in the place of that of the root', () => {
  const tried: Uint8Array[] = [];
  const refuse = (answer: boolean) => () =>
    refuseForeignProgram(rootWith({ '/bin/sh': elf(FOREIGN) }), step('sh'), () => ({
      emulators: undefined,
      canStart: (program) => tried.push(program) > 0 && answer,
    }));
  expect(refuse(true)).not.toThrow();
  expect(refuse(false)).toThrow(refused('without an emulator'));
  expect(tried.map((program) => program.length)).toEqual([64, 64]);
});

test('a program of a machine that nobody knows is found out to be none', () => {
  const program = elf('arm64');
  program.writeUInt16LE(0xfffe, 18);
  expect(programSupport().canStart(program)).toBe(false);
});
