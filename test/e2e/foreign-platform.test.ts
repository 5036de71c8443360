import { chmodSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { containers, describeWhere, describeWherePossible, type Requirement, root } from '../rig/requirements.ts';
import { openRig } from '../rig/slipway.ts';

/** A machine that this one is not, and a program for it that prints "hello". */
const FOREIGN = process.arch === 'arm64' ? 'amd64' : 'arm64';
const DOCKERFILE = 'FROM scratch\nCOPY hello /hello\nRUN ["/hello"]\n';
const emulator = `/proc/sys/fs/binfmt_misc/qemu-${FOREIGN === 'arm64' ? 'aarch64' : 'x86_64'}`;

const withEmulator: Requirement = () =>
  existsSync(emulator) ? undefined : `${emulator} is not registered (qemu-user-static, binfmt-support)`;
const withoutEmulator: Requirement = () => (existsSync(emulator) ? `${emulator} is registered` : undefined);

describeWhere('a RUN step of a foreign platform, without an emulator', [root, containers, withoutEmulator], () => {
  it.each(['oci', 'native', 'chroot'])('is refused before it runs, by isolation %s', async (isolation) => {
    const { status, stderr } = await buildHello(isolation);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^error: cannot run \/hello: it is a program for \w+, .* \[SLIPWAY_PLATFORM_FOREIGN\]$/m);
    expect(stderr).toMatch(/^hint: .*apt-get install -y qemu-user-static/m);
  });
});

describeWherePossible('a RUN step of a foreign platform, with an emulator', [root, containers, withEmulator], () => {
  it.each(['oci', 'native', 'chroot'])('runs, by isolation %s', async (isolation) => {
    const { status, stderr } = await buildHello(isolation);
    expect(stderr).toMatch(/ hello$/m);
    expect(status).toBe(0);
  });
});

async function buildHello(isolation: string) {
  using rig = openRig('root');
  const context = rig.context({ Dockerfile: DOCKERFILE, hello: FOREIGN === 'arm64' ? arm64Hello() : amd64Hello() });
  chmodSync(join(context, 'hello'), 0o755);
  const output = ['-o', `type=oci,dest=${rig.folder}/image.tar`];
  const options = ['--progress=plain', `--platform=linux/${FOREIGN}`, `--isolation=${isolation}`, ...output];
  return await rig.run(['build', ...options, context]);
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
