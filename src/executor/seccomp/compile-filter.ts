import { closeSync, readSync } from 'node:fs';
import { loadKoffi } from '../../core/load-koffi.ts';
import { containerSyscalls } from '../container-syscalls.ts';
import type { SeccompProfile, SeccompRule } from './default-profile.ts';

/** SCMP_FLTATR_CTL_OPTIMIZE: 2 is a binary tree of system call numbers in place of a list. */
const OPTIMIZE = { attribute: 8, binaryTree: 2 } as const;
const ACTION = { SCMP_ACT_ALLOW: 0x7fff0000, SCMP_ACT_ERRNO: 0x00050000, SCMP_ACT_NOTIFY: 0x7fc00000 } as const;
const COMPARE = { SCMP_CMP_LT: 2, SCMP_CMP_EQ: 4, SCMP_CMP_GT: 6, SCMP_CMP_MASKED_EQ: 7 } as const;
/** A pipe holds 64 KiB, and a filter has at most 4096 instructions of 8 bytes (BPF_MAXINSNS). */
const FILTER_LIMIT = 4096 * 8;
const UNKNOWN_SYSCALL = -1;

/**
 * The profile as a BPF program (`struct sock_filter[]`), made by libseccomp; undefined where that library is not installed. Its
 * binary tree makes the kernel's own check of the program, which it runs for every system call that there is, several times cheaper than
 * the list that runtimes make. Calls that this libseccomp does not know are left out, as runtimes do: they are refused.
 */
export function compileSeccompFilter(profile: SeccompProfile): Buffer | undefined {
  const library = loadLibrary();
  if (library === undefined) return undefined;
  const filter = library.init(ACTION[profile.defaultAction] | profile.defaultErrnoRet);
  try {
    for (const name of profile.architectures) {
      // The machine's own is there from the start, which is the only way in which this fails.
      library.addArchitecture(filter, library.resolveArchitecture(name.replace('SCMP_ARCH_', '').toLowerCase()));
    }
    for (const rule of profile.syscalls) addRule(library, filter, rule);
    library.setAttribute(filter, OPTIMIZE.attribute, OPTIMIZE.binaryTree);
    return exportProgram(library, filter);
  } finally {
    library.release(filter);
  }
}

/** Version of libseccomp, `2.5.4`; undefined where it is not installed. Another version knows other system calls. */
export function seccompLibraryVersion(): string | undefined {
  return loadLibrary()?.version();
}

type Filter = unknown;

interface Library {
  version(): string;
  init(action: number): Filter;
  resolveArchitecture(name: string): number;
  addArchitecture(filter: Filter, architecture: number): number;
  resolveSyscall(name: string): number;
  addRule(filter: Filter, action: number, syscall: number, count: number, args: Uint8Array): number;
  setAttribute(filter: Filter, attribute: number, value: number): number;
  exportBpf(filter: Filter, fd: number): number;
  release(filter: Filter): void;
}

function loadLibrary(): Library | undefined {
  const koffi = loadKoffi();
  let library: ReturnType<typeof koffi.load>;
  try {
    library = koffi.load('libseccomp.so.2');
  } catch {
    // koffi's error has no code; the one cause is that the library is not there, and the runtime then compiles the profile itself.
    return undefined;
  }
  const version = library.func('const uint32_t *seccomp_version()');
  return {
    version: () => (koffi.decode(version(), koffi.array('uint32_t', 3, 'Array')) as number[]).join('.'),
    init: library.func('void *seccomp_init(uint32_t)'),
    resolveArchitecture: library.func('uint32_t seccomp_arch_resolve_name(const char*)'),
    addArchitecture: library.func('int seccomp_arch_add(void*, uint32_t)'),
    resolveSyscall: library.func('int seccomp_syscall_resolve_name(const char*)'),
    addRule: library.func('int seccomp_rule_add_array(void*, uint32_t, int, uint, const uint8_t*)'),
    setAttribute: library.func('int seccomp_attr_set(void*, int, uint32_t)'),
    exportBpf: library.func('int seccomp_export_bpf(void*, int)'),
    release: library.func('void seccomp_release(void*)'),
  };
}

function addRule(library: Library, filter: Filter, rule: SeccompRule): void {
  const args = rule.args ?? [];
  const packed = Buffer.alloc(24 * args.length);
  for (const [position, { index, op, value, valueTwo = 0 }] of args.entries()) {
    packed.writeUInt32LE(index, position * 24);
    packed.writeUInt32LE(COMPARE[op], position * 24 + 4);
    packed.writeBigUInt64LE(BigInt(value), position * 24 + 8);
    packed.writeBigUInt64LE(BigInt(valueTwo), position * 24 + 16);
  }
  const action = ACTION[rule.action] | (rule.errnoRet ?? 0);
  for (const name of rule.names) {
    const syscall = library.resolveSyscall(name);
    if (syscall === UNKNOWN_SYSCALL) continue;
    const result = library.addRule(filter, action >>> 0, syscall, args.length, packed);
    if (result < 0) throw new Error(`internal: seccomp rule for ${name}: error ${-result}`);
  }
}

/** By a file: a pipe has room for 4 KiB only where its user has many, and the library would wait for ever. */
function exportProgram(library: Library, filter: Filter): Buffer {
  const file = containerSyscalls().memoryFile();
  const program = Buffer.alloc(FILTER_LIMIT);
  try {
    const result = library.exportBpf(filter, file);
    if (result < 0) throw new Error(`internal: seccomp_export_bpf: error ${-result}`);
    return program.subarray(0, readSync(file, program, 0, FILTER_LIMIT, 0));
  } finally {
    closeSync(file);
  }
}
