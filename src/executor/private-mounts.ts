import { mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { errnoOf } from '../core/errors.ts';
import { MOUNT, syscalls } from '../core/syscalls.ts';
import { explainChangedRoot, explainForbiddenMounts } from './forbidden-namespaces.ts';

/** A folder in memory for one container: its mounts are made below it. Disposing detaches it with all that is mounted there. */
export interface PrivateFolder extends Disposable {
  readonly path: string;
}

/** MS_SHARED of mount(2). */
const SHARED = 1 << 20;

/**
 * Mounts that only this process and what it spawns can see, and that vanish with them. `path` is a folder that stays
 * empty on disk; any number of processes may use the same one at once. Entering the namespace happens with the first folder.
 */
export class PrivateMounts {
  readonly path: string;
  readonly #isShared: boolean;
  #ready = false;

  /** `propagation`: whether mount namespaces that are copied from this one are told of mounts that are made later. */
  constructor(path: string, propagation: 'shared' | 'private') {
    this.path = path;
    this.#isShared = propagation === 'shared';
  }

  /** An empty folder. `id` must be unique in this process. `devices`: whether device nodes in it can be used. */
  folder(id: string, devices: 'usable' | 'dead' = 'dead'): PrivateFolder {
    this.#prepare();
    const path = `${this.path}/${id}`;
    mkdirSync(path);
    const flags = devices === 'dead' ? MOUNT.nosuid | MOUNT.nodev : 0;
    syscalls().mount('tmpfs', path, 'tmpfs', flags, 'mode=0755');
    return {
      path,
      [Symbol.dispose]: () => {
        syscalls().unmount(path);
        rmdirSync(path);
      },
    };
  }

  #prepare(): void {
    if (this.#ready) return;
    mkdirSync(this.path, { recursive: true });
    try {
      enterMountNamespace();
      syscalls().mount('tmpfs', this.path, 'tmpfs', MOUNT.nosuid | MOUNT.nodev, 'mode=0755');
      if (this.#isShared) syscalls().mount('none', this.path, '', SHARED, '');
    } catch (error) {
      if (errnoOf(error) === 'EPERM') throw explainForbiddenMounts(error);
      // "/" is no mount.
      if (errnoOf(error) === 'EINVAL') throw explainChangedRoot(error);
      throw error;
    }
    this.#ready = true;
  }
}

let entered = false;

/** Once for a process: a second namespace would keep the first one's mounts alive. */
function enterMountNamespace(): void {
  if (entered) return;
  syscalls().enterMountNamespace();
  entered = true;
  showUnifiedCgroups();
}

/**
 * On hosts whose /sys/fs/cgroup is not the unified hierarchy, crun refuses to start and runc makes folders in every
 * hierarchy. In this namespace the unified one lies there, read-only, so that neither writes anywhere.
 */
function showUnifiedCgroups(): void {
  const folder = '/sys/fs/cgroup';
  const mounts = cgroupMounts();
  const { mount } = syscalls();
  const unified = mounts.find((found) => found.target === folder && found.type === 'cgroup2') ?? mounts.find(isUnified);
  try {
    if (unified === undefined) mount('cgroup2', folder, 'cgroup2', 0, '');
    else mount(unified.target, folder, '', MOUNT.bind, '');
    mount(
      'none',
      folder,
      '',
      MOUNT.bind | MOUNT.remount | MOUNT.readonly | MOUNT.nosuid | MOUNT.nodev | MOUNT.noexec,
      '',
    );
  } catch (error) {
    // Without the unified hierarchy (rootless on a pure v1 host) an empty folder keeps crun out of the others.
    if (!['EPERM', 'ENODEV', 'EINVAL', 'EBUSY'].includes(errnoOf(error) ?? '')) throw error;
    mount('tmpfs', folder, 'tmpfs', MOUNT.readonly, 'mode=0755');
  }
}

function isUnified(mount: { readonly type: string; readonly root: string }): boolean {
  return mount.type === 'cgroup2' && mount.root === '/';
}

function cgroupMounts(): { readonly target: string; readonly root: string; readonly type: string }[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return lines.flatMap((line) => {
    const fields = line.split(' ');
    const type = fields[fields.indexOf('-', 6) + 1] ?? '';
    const [, , , root = '', target = ''] = fields;
    return type.startsWith('cgroup') ? [{ target, root, type }] : [];
  });
}
