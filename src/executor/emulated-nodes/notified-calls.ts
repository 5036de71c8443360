import type { DeviceNode } from '../../core/layer-marks.ts';
import type { Notification } from './notification.ts';

/** A path as a system call has it: an address in the caller's memory, relative to a folder that the caller has open. */
export interface CallPath {
  readonly address: bigint;
  /** A descriptor of the caller, or `AT_FDCWD`. */
  readonly folder: number;
}

/** A call of a step that the kernel asks about, whichever of its variants it is. */
export type NotifiedCall =
  | { readonly type: 'make'; readonly path: CallPath; readonly mode: number; readonly device: DeviceNode }
  | ShowCall
  | { readonly type: 'open'; readonly path: CallPath; readonly flags: number };

/** A call that fills a `struct stat`, or a `struct statx`, at an address in the caller's memory. */
export interface ShowCall {
  readonly type: 'show';
  readonly form: 'stat' | 'statx';
  readonly path: CallPath;
  /** `AT_*`. */
  readonly flags: number;
  /** `STATX_*` of statx(2). */
  readonly mask: number;
  readonly result: bigint;
}

/** The caller's working directory as a folder that it has open. */
export const AT_FDCWD = -100;
export const AT_SYMLINK_NOFOLLOW = 0x100;

type Arguments = readonly [bigint, bigint, bigint, bigint, bigint, bigint];

const S_IFMT = 0o170000;
const S_IFBLK = 0o060000;

const READERS = {
  mknod: ([path, mode, device]: Arguments) => make({ folder: AT_FDCWD, address: path }, mode, device),
  mknodat: ([folder, path, mode, device]: Arguments) => make(at(folder, path), mode, device),
  stat: ([path, result]: Arguments) => show({ folder: AT_FDCWD, address: path }, result, 0),
  lstat: ([path, result]: Arguments) => show({ folder: AT_FDCWD, address: path }, result, AT_SYMLINK_NOFOLLOW),
  newfstatat: ([folder, path, result, flags]: Arguments) => show(at(folder, path), result, int(flags)),
  statx: ([folder, path, flags, mask, result]: Arguments): ShowCall => ({
    ...show(at(folder, path), result, int(flags)),
    form: 'statx',
    mask: int(mask),
  }),
  open: ([path, flags]: Arguments) => open({ folder: AT_FDCWD, address: path }, flags),
  openat: ([folder, path, flags]: Arguments) => open(at(folder, path), flags),
} satisfies Record<string, (args: Arguments) => NotifiedCall>;

/** AUDIT_ARCH_* of linux/audit.h, and the numbers of the calls. */
const ARCHITECTURES: Partial<
  Record<
    NodeJS.Architecture,
    { readonly audit: number; readonly calls: Readonly<Record<number, keyof typeof READERS>> }
  >
> = {
  x64: {
    audit: 0xc000003e,
    calls: {
      2: 'open',
      4: 'stat',
      6: 'lstat',
      133: 'mknod',
      257: 'openat',
      259: 'mknodat',
      262: 'newfstatat',
      332: 'statx',
    },
  },
  arm64: { audit: 0xc00000b7, calls: { 33: 'mknodat', 56: 'openat', 79: 'newfstatat', 291: 'statx' } },
};

/** Undefined for a call by another of the machine's conventions: of a 32-bit program. */
export function notifiedCall({ architecture, number, args }: Notification): NotifiedCall | undefined {
  const table = ARCHITECTURES[process.arch];
  const name = table?.audit === architecture ? table.calls[number] : undefined;
  return name === undefined ? undefined : READERS[name](args);
}

/** Whether calls of programs of this machine are known here. */
export function knowsArchitecture(): boolean {
  return ARCHITECTURES[process.arch] !== undefined;
}

function make(path: CallPath, mode: bigint, device: bigint): NotifiedCall {
  const type = (int(mode) & S_IFMT) === S_IFBLK ? 'block' : 'char';
  return { type: 'make', path, mode: int(mode) & 0o7777, device: { type, ...deviceNumbers(int(device)) } };
}

function show(path: CallPath, result: bigint, flags: number): ShowCall {
  return { type: 'show', form: 'stat', path, flags, mask: 0, result };
}

function open(path: CallPath, flags: bigint): NotifiedCall {
  return { type: 'open', path, flags: int(flags) };
}

function at(folder: bigint, address: bigint): CallPath {
  return { folder: int(folder), address };
}

function int(value: bigint): number {
  return Number(BigInt.asIntN(32, value));
}

/** The kernel's own encoding of 32 bits: 12 of the major number, 20 of the minor (include/linux/kdev_t.h, new_decode_dev). */
function deviceNumbers(device: number): Pick<DeviceNode, 'major' | 'minor'> {
  return { major: (device >>> 8) & 0xfff, minor: (device & 0xff) | ((device >>> 12) & 0xfff00) };
}
