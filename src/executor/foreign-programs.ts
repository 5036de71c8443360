import { spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { type BytePath, hostPath, toBytePath } from '../core/byte-path.ts';
import { errnoOf, SlipwayError } from '../core/errors.ts';
import type { ProcessSpec } from '../core/executor.ts';
import { type FileTree, resolvePath } from '../core/file-tree.ts';

/** What execve(2) looks at of a file. */
const HEADER_BYTES = 256;
const ELF_HEADER_BYTES = 64;
const START_TIMEOUT_MS = 5000;
/** As many interpreters of interpreters as Linux takes. */
const SCRIPT_DEPTH = 4;
const NO_WAIT = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** `e_machine` of ELF (elf.h): as Node and as container platforms call it. */
const MACHINES: Readonly<Record<number, { readonly arch: string; readonly platform: string }>> = {
  3: { arch: 'ia32', platform: '386' },
  8: { arch: 'mips', platform: 'mips' },
  21: { arch: 'ppc64', platform: 'ppc64le' },
  22: { arch: 's390x', platform: 's390x' },
  40: { arch: 'arm', platform: 'arm' },
  62: { arch: 'x64', platform: 'amd64' },
  183: { arch: 'arm64', platform: 'arm64' },
  243: { arch: 'riscv64', platform: 'riscv64' },
  258: { arch: 'loong64', platform: 'loong64' },
};
/** What a machine runs besides its own; whether this one's kernel does is seen when it is tried. */
const COMPATIBLE: Readonly<Record<string, readonly string[]>> = { x64: ['ia32'], arm64: ['arm'] };

/** How this machine runs programs: its own kind, and the emulators that its kernel knows (`binfmt_misc`). */
export interface ProgramSupport {
  /** Undefined where the kernel's table cannot be seen, as in most containers. */
  readonly emulators: readonly Emulator[] | undefined;
  /** Whether the kernel starts a program that begins with these bytes: tried with one that does nothing. */
  canStart(header: Uint8Array): boolean;
}

/** An entry of /proc/sys/fs/binfmt_misc that knows programs by their first bytes. */
export interface Emulator {
  readonly interpreter: string;
  /** `F` among them: the interpreter was opened when it was registered, so a root needs none of its own. */
  readonly flags: string;
  readonly offset: number;
  readonly magic: Uint8Array;
  readonly mask: Uint8Array | undefined;
}

/**
 * Refuses a step whose command is of another machine's kind and that nothing here can run, before it is started: `SLIPWAY_PLATFORM_FOREIGN`.
 * What is no program at all is left to whoever starts it. `root` is the step's.
 */
export function refuseForeignProgram(
  root: FileTree,
  { args, env, cwd }: Pick<ProcessSpec, 'args' | 'env' | 'cwd'>,
  support: () => ProgramSupport = programSupport,
): void {
  const program = commandProgram(root, { args, env, cwd });
  const machine = program === undefined ? undefined : machineOf(program.header);
  if (program === undefined || machine === undefined || isOwn(machine.arch)) return;
  const { emulators, canStart } = support();
  if (emulators === undefined && canStart(emptyProgram(program.header))) return;
  const emulator = emulators?.find((one) => takes(one, program.header));
  if (emulator !== undefined && isThere(root, emulator)) return;
  throw foreign(program.path, machine.platform, emulator);
}

/** Of this machine. Reads /proc. */
export function programSupport(): ProgramSupport {
  return { emulators: entriesOfKernel()?.flatMap((text) => parseEmulator(text) ?? []), canStart };
}

/** An enabled entry as the kernel shows it (Documentation/admin-guide/binfmt-misc.rst); undefined for others and those by name. */
export function parseEmulator(text: string): Emulator | undefined {
  const field = (name: string) => new RegExp(`^${name}:? ?(.*)$`, 'm').exec(text)?.[1];
  const [interpreter, magic, mask] = [field('interpreter'), field('magic'), field('mask')];
  if (!text.startsWith('enabled') || interpreter === undefined || magic === undefined) return undefined;
  return {
    interpreter,
    flags: field('flags') ?? '',
    offset: Number(field('offset') ?? 0),
    magic: Buffer.from(magic, 'hex'),
    mask: mask === undefined ? undefined : Buffer.from(mask, 'hex'),
  };
}

interface Program {
  readonly path: string;
  readonly header: Buffer;
}

/** The program that the command comes down to: of a script, its interpreter. */
function commandProgram(
  root: FileTree,
  { args, env, cwd }: Pick<ProcessSpec, 'args' | 'env' | 'cwd'>,
): Program | undefined {
  let path = commandPaths(args[0] ?? '', env, cwd).find((candidate) => readHeader(root, candidate) !== undefined);
  for (let depth = 0; path !== undefined && depth <= SCRIPT_DEPTH; depth++) {
    const header = readHeader(root, path);
    if (header === undefined) return undefined;
    const interpreter = /^#![ \t]*([^ \t\n]+)/.exec(header.toString('latin1'))?.[1];
    if (interpreter === undefined) return { path, header };
    path = interpreter;
  }
  return undefined;
}

function commandPaths(command: string, env: readonly string[], cwd: string): string[] {
  if (command.startsWith('/')) return [command];
  if (command.includes('/')) return [`${cwd}/${command}`];
  const path = env.find((entry) => entry.startsWith('PATH='))?.slice('PATH='.length) ?? '';
  return path
    .split(':')
    .map((folder) => (folder.startsWith('/') ? `${folder}/${command}` : `${cwd}/${folder}/${command}`));
}

/** Undefined for what is no regular file. */
function readHeader(root: FileTree, name: string): Buffer | undefined {
  const path = resolvePath(root, toBytePath(name), 'follow');
  if (path === undefined || root.lstat(path)?.type !== 'file') return undefined;
  return readStart(root.contentPath(path));
}

function readStart(host: BytePath): Buffer | undefined {
  let fd: number;
  try {
    fd = openSync(hostPath(host), NO_WAIT);
  } catch (error) {
    // A user namespace may not read what a step in it may run.
    if (errnoOf(error) === 'EACCES') return undefined;
    throw error;
  }
  try {
    if (!fstatSync(fd).isFile()) return undefined;
    const header = Buffer.alloc(HEADER_BYTES);
    return header.subarray(0, readSync(fd, header, 0, HEADER_BYTES, 0));
  } finally {
    closeSync(fd);
  }
}

function machineOf(header: Buffer): { readonly arch: string; readonly platform: string } | undefined {
  if (header.length < 20 || header.toString('latin1', 0, 4) !== '\x7fELF') return undefined;
  const number = header[5] === 2 ? header.readUInt16BE(18) : header.readUInt16LE(18);
  return MACHINES[number] ?? { arch: `machine ${number}`, platform: `machine ${number} of ELF` };
}

function takes({ offset, magic, mask }: Emulator, header: Buffer): boolean {
  return magic.every((byte, index) => {
    const bits = mask?.[index] ?? 0xff;
    return ((header[offset + index] ?? 0) & bits) === (byte & bits);
  });
}

function isOwn(arch: string): boolean {
  return arch === process.arch || COMPATIBLE[process.arch]?.includes(arch) === true;
}

/** A program of the same kind without any code: what decides who runs it, and nothing else of a file that may be hostile. */
function emptyProgram(header: Buffer): Buffer {
  const program = Buffer.alloc(ELF_HEADER_BYTES);
  header.copy(program, 0, 0, 24);
  return program;
}

function canStart(program: Uint8Array): boolean {
  const folder = mkdtempSync(`${tmpdir()}/slipway-program-`);
  try {
    writeFileSync(`${folder}/program`, program, { mode: 0o700 });
    // execve(2) itself: Node's functions have a shell read what the kernel refuses. A failure ends the process with the errno's name.
    const script = 'process.execve(process.argv[1], [process.argv[1]], {})';
    const { stderr } = spawnSync(process.execPath, ['-e', script, `${folder}/program`], {
      cwd: folder,
      env: {},
      encoding: 'utf8',
      timeout: START_TIMEOUT_MS,
    });
    // Whatever else goes wrong, be it a folder without programs, is no sign that the step could not run.
    return !stderr.includes('ENOEXEC');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function isThere(root: FileTree, { flags, interpreter }: Emulator): boolean {
  return flags.includes('F') || readHeader(root, interpreter) !== undefined;
}

function entriesOfKernel(): string[] | undefined {
  const folder = '/proc/sys/fs/binfmt_misc';
  if (!existsSync(`${folder}/status`)) return undefined;
  const names = readdirSync(folder).filter((name) => name !== 'register' && name !== 'status');
  return names.map((name) => readFileSync(`${folder}/${name}`, 'utf8'));
}

function foreign(program: string, platform: string, emulator: Emulator | undefined): SlipwayError {
  const here = Object.values(MACHINES).find(({ arch }) => arch === process.arch)?.platform ?? process.arch;
  const message = `cannot run ${program}: it is a program for ${platform}, and this machine is ${here}`;
  if (emulator !== undefined) {
    return new SlipwayError(
      'SLIPWAY_PLATFORM_FOREIGN',
      `${message}, whose emulator ${emulator.interpreter} is registered without the flag F and is not in the image`,
      { hint: 'register it with the flag F: apt-get install --reinstall -y qemu-user-static binfmt-support' },
    );
  }
  return new SlipwayError('SLIPWAY_PLATFORM_FOREIGN', `${message} without an emulator for it`, {
    hint: 'on the machine (not in a container): apt-get install -y qemu-user-static binfmt-support, or docker run --privileged --rm tonistiigi/binfmt --install all',
  });
}
