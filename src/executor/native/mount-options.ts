import { MOUNT_ATTRIBUTES } from './init-syscalls.ts';

/** The options of one mount of the OCI specification, as the kernel takes them. */
export interface MountOptions {
  /** A sum of MOUNT_ATTRIBUTES. */
  readonly attributes: number;
  readonly bind: 'alone' | 'recursive' | undefined;
  /** Whether the attributes hold for the mounts below as well. */
  readonly depth: 'alone' | 'recursive';
  /** What the filesystem itself is told; `undefined` is a flag. */
  readonly parameters: readonly (readonly [string, string | undefined])[];
}

const ATTRIBUTES: Readonly<Record<string, number>> = {
  ro: MOUNT_ATTRIBUTES.readonly,
  rro: MOUNT_ATTRIBUTES.readonly,
  nosuid: MOUNT_ATTRIBUTES.nosuid,
  nodev: MOUNT_ATTRIBUTES.nodev,
  noexec: MOUNT_ATTRIBUTES.noexec,
  strictatime: MOUNT_ATTRIBUTES.strictatime,
  noatime: MOUNT_ATTRIBUTES.noatime,
};
/** Times of access are as the source of a bind has them: a user namespace may not change them. */
const TIMES = MOUNT_ATTRIBUTES.strictatime | MOUNT_ATTRIBUTES.noatime;
const WITHOUT_EFFECT = new Set(['rw', 'bind', 'rbind', 'nodiratime', 'relatime']);

/** Reads the options of `mounts[]` in config.json. */
export function mountOptions(options: readonly string[]): MountOptions {
  const bind = options.includes('rbind') ? 'recursive' : options.includes('bind') ? 'alone' : undefined;
  const attributes = options.reduce((sum, option) => sum | (ATTRIBUTES[option] ?? 0), 0);
  const parameters = options
    .filter((option) => ATTRIBUTES[option] === undefined && !WITHOUT_EFFECT.has(option))
    .map((option): readonly [string, string | undefined] => {
      const equals = option.indexOf('=');
      return equals < 0 ? [option, undefined] : [option.slice(0, equals), option.slice(equals + 1)];
    });
  return {
    attributes: bind === undefined ? attributes : attributes & ~TIMES,
    bind,
    depth: options.includes('rro') ? 'recursive' : 'alone',
    parameters,
  };
}
