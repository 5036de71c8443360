import { chmodSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { findProgram } from '../../src/executor/oci-runtime.ts';
import {
  containers,
  describeWhere,
  describeWherePossible,
  ordinaryUser,
  program,
  type Requirement,
  root,
} from '../rig/requirements.ts';
import { openRig, type Who } from '../rig/slipway.ts';

/** A machine that this one is not, and a program for it that prints "hello". */
const FOREIGN = process.arch === 'arm64' ? 'amd64' : 'arm64';
const DOCKERFILE = 'FROM scratch\nCOPY hello /hello\nRUN ["/hello"]\n';
const MACHINE = FOREIGN === 'arm64' ? 'aarch64' : 'x86_64';
const TABLE = '/proc/sys/fs/binfmt_misc';
const emulator = `${TABLE}/qemu-${MACHINE}`;
const interpreter = `qemu-${MACHINE}-static`;

const isNotRegistered: Requirement = () => (existsSync(emulator) ? `${emulator} is registered` : undefined);

describeWherePossible(
  'a RUN step of a foreign platform, without an emulator',
  [root, containers, isNotRegistered],
  () => {
    it.each(['oci', 'native', 'chroot'])('is refused before it runs, by isolation %s', async (isolation) => {
      const { status, stderr } = await buildHello('root', isolation);
      expect(status).toBe(1);
      expect(stderr).toMatch(/^error: cannot run \/hello: it is a program for \w+, .* \[SLIPWAY_PLATFORM_FOREIGN\]$/m);
      expect(stderr).toMatch(/^hint: .*apt-get install -y qemu-user-static/m);
    });
  },
);

describeWhere('a RUN step of a foreign platform, with an emulator', [root, containers, program(interpreter)], () => {
  const asUser = ordinaryUser() === undefined ? [{ who: 'ordinary user', isolation: 'oci' } as const] : [];
  const asRoot = ['oci', 'native', 'chroot'].map((isolation) => ({ who: 'root', isolation }) as const);
  const runs: readonly { who: Who; isolation: string }[] = [...asRoot, ...asUser];
  it.each(runs)('runs as $who, by isolation $isolation', async ({ who, isolation }) => {
    const { status, stderr } = await buildHello(who, isolation, withEmulator());
    expect(stderr).toMatch(/ hello$/m);
    expect(status).toBe(0);
  });
});

/** Starts a command where the emulator is registered: in a mount namespace of its own, whose end undoes it. */
function withEmulator(): string[] {
  const mount = `[ -e ${TABLE}/register ] || mount -t binfmt_misc binfmt_misc ${TABLE}`;
  const register = `[ -e ${emulator} ] || printf %s "$0" > ${TABLE}/register`;
  return ['unshare', '--mount', 'sh', '-ec', `${mount}; ${register}; exec "$@"`, registration()];
}

/** As qemu-binfmt-conf.sh has it: 64 bits, little-endian, whatever its ABI, a program or a shared object; opened at once (`F`). */
function registration(): string {
  const machine = FOREIGN === 'arm64' ? '\\xb7\\x00' : '\\x3e\\x00';
  const magic = `\\x7fELF\\x02\\x01\\x01${'\\x00'.repeat(9)}\\x02\\x00${machine}`;
  const mask = `${'\\xff'.repeat(7)}\\x00${'\\xff'.repeat(8)}\\xfe\\xff\\xff\\xff`;
  return `:qemu-${MACHINE}:M::${magic}:${mask}:${findProgram(interpreter, process.env)}:F`;
}

async function buildHello(who: Who, isolation: string, under: readonly string[] = []) {
  using rig = openRig(who);
  const context = rig.context({ Dockerfile: DOCKERFILE, hello: FOREIGN === 'arm64' ? arm64Hello() : amd64Hello() });
  chmodSync(join(context, 'hello'), 0o755);
  const output = ['-o', `type=oci,dest=${rig.folder}/image.tar`];
  const options = ['--progress=plain', `--platform=linux/${FOREIGN}`, `--isolation=${isolation}`, ...output];
  return await rig.run(['build', ...options, context], { under });
}

/** write(1, "hello\n", 6); exit(0) */
function arm64Hello(): Buffer {
  const code = [0xd2800020, 0x100000e1, 0xd28000c2, 0xd2800808, 0xd4000001, 0xd2800000, 0xd2800ba8, 0xd4000001];
  const bytes = Buffer.alloc(code.length * 4);
  for (const [index, instruction] of code.entries()) bytes.writeUInt32LE(instruction, index * 4);
  return elf(183, Buffer.concat([bytes, Buffer.from('hello\n')]));
}

function amd64Hello(): Buffer {
  const code = 'bf01000000 488d3515000000 ba06000000 b801000000 0f05 31ff b83c000000 0f05';
  return elf(62, Buffer.concat([Buffer.from(code.replaceAll(' ', ''), 'hex'), Buffer.from('hello\n')]));
}

/** A static program of one segment: the ELF header, one program header, the code (elf.h). */
function elf(machine: number, code: Buffer): Buffer {
  const [base, headers] = [0x400000n, 64 + 56];
  const file = Buffer.concat([Buffer.alloc(headers), code]);
  file.write('\x7fELF\x02\x01\x01', 'latin1');
  file.writeUInt16LE(2, 16);
  file.writeUInt16LE(machine, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(base + BigInt(headers), 24);
  file.writeBigUInt64LE(64n, 32);
  file.writeUInt16LE(64, 52);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(1, 56);
  file.writeUInt32LE(1, 64);
  file.writeUInt32LE(5, 68);
  file.writeBigUInt64LE(base, 80);
  file.writeBigUInt64LE(base, 88);
  file.writeBigUInt64LE(BigInt(file.length), 96);
  file.writeBigUInt64LE(BigInt(file.length), 104);
  file.writeBigUInt64LE(0x1000n, 112);
  return file;
}
