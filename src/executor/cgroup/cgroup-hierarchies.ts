import { closeSync, constants, openSync, readFileSync } from 'node:fs';

/** The controllers that limits of a step need. */
export type Controller = 'memory' | 'cpu' | 'cpuset';

/** A mounted hierarchy: version 2 has every controller, one of version 1 those that it was mounted with. */
export interface Hierarchy {
  readonly version: 1 | 2;
  readonly controllers: readonly Controller[];
  /** Its mount point as it was when this module first looked, whatever is mounted over it meanwhile. */
  readonly folder: string;
  /** For messages. */
  readonly mountPoint: string;
  /** This process's own cgroup in it, from `/`. */
  readonly own: string;
}

const CONTROLLERS: readonly Controller[] = ['memory', 'cpu', 'cpuset'];

/**
 * The hierarchies of this machine that can hold limits. To be called before `PrivateMounts` is used, which covers them; descriptors keep
 * them in reach, and disposing closes those.
 */
export function openHierarchies(): { readonly hierarchies: readonly Hierarchy[] } & Disposable {
  const own = ownCgroups(readFileSync('/proc/self/cgroup', 'utf8'));
  const opened: number[] = [];
  const hierarchies = mounts(readFileSync('/proc/self/mountinfo', 'utf8')).flatMap((mount): Hierarchy[] => {
    const controllers = mount.type === 'cgroup2' ? unifiedControllers(mount.target) : mount.controllers;
    if (controllers.length === 0) return [];
    const fd = openSync(mount.target, constants.O_RDONLY | constants.O_DIRECTORY);
    opened.push(fd);
    const version = mount.type === 'cgroup2' ? 2 : 1;
    const place = own(version === 2 ? undefined : controllers[0]);
    const folder = `/proc/${process.pid}/fd/${fd}`;
    return [{ version, controllers, folder, mountPoint: mount.target, own: place }];
  });
  return { hierarchies, [Symbol.dispose]: () => opened.forEach((fd) => void closeSync(fd)) };
}

interface CgroupMount {
  readonly type: string;
  readonly target: string;
  readonly controllers: readonly Controller[];
}

/** Mounts of whole hierarchies, in /proc/self/mountinfo (proc_pid_mountinfo(5)). */
function mounts(text: string): CgroupMount[] {
  return text.split('\n').flatMap((line) => {
    const fields = line.split(' ');
    const dash = fields.indexOf('-', 6);
    const [type = '', , options = ''] = fields.slice(dash + 1);
    const [, , , root, target = ''] = fields;
    if ((type !== 'cgroup' && type !== 'cgroup2') || root !== '/' || !target.startsWith('/sys/fs/cgroup')) return [];
    return [{ type, target, controllers: CONTROLLERS.filter((name) => options.split(',').includes(name)) }];
  });
}

function unifiedControllers(target: string): readonly Controller[] {
  const names = readFileSync(`${target}/cgroup.controllers`, 'utf8').trim().split(' ');
  return CONTROLLERS.filter((name) => names.includes(name));
}

/** `ID:CONTROLLERS:PATH` a line; the unified hierarchy names no controllers (cgroups(7)). */
function ownCgroups(text: string): (controller: Controller | undefined) => string {
  const lines = text.split('\n').map((line) => /^\d+:([^:]*):(.*)$/.exec(line));
  return (controller) =>
    lines.find((line) =>
      controller === undefined ? line?.[1] === '' : line?.[1]?.split(',').includes(controller),
    )?.[2] ?? '/';
}
