import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf, SlipwayError } from '../../core/errors.ts';
import type { ProcessSpec } from '../../core/executor.ts';
import type { Controller, Hierarchy } from './cgroup-hierarchies.ts';
import { type LimitSetting, limitSettings } from './limit-settings.ts';

/** The cgroup of one step, in every hierarchy that its limits need. Disposing removes it when its processes are gone. */
export interface StepCgroup extends AsyncDisposable {
  /** Files that a process writes `0` to so that it, and all that it starts, is in the cgroup. */
  readonly joinFiles: readonly string[];
  /** Whether the kernel killed one of its processes because of the memory limit. */
  wasKilledForMemory(): boolean;
}

const REMOVE_ATTEMPTS = 50;
const REMOVE_PAUSE_MS = 10;

type Limits = Pick<ProcessSpec, 'id' | 'resources' | 'cgroupParent'>;

/**
 * The cgroup for a step with limits or a parent; undefined for one with neither. `SLIPWAY_RESOURCE_UNAVAILABLE`, which says why: the machine
 * lacks a controller, or slipway may not write where the cgroup would be.
 */
export function makeStepCgroup(limits: Limits, hierarchies: readonly Hierarchy[]): StepCgroup | undefined {
  const wanted = Object.entries(limits.resources ?? {}).filter(([, value]) => value !== undefined);
  if (wanted.length === 0 && !limits.cgroupParent) return undefined;
  const folders: string[] = [];
  try {
    for (const { hierarchy, settings } of placesOf(limits, hierarchies))
      folders.push(makeIn(hierarchy, settings, limits));
  } catch (error) {
    for (const folder of folders) rmdirSync(folder);
    throw error;
  }
  return {
    joinFiles: folders.map((folder) => `${folder}/cgroup.procs`),
    wasKilledForMemory: () => folders.some(hasMemoryKill),
    [Symbol.asyncDispose]: async () => {
      for (const folder of folders) await removeFolder(folder);
    },
  };
}

interface Place {
  readonly hierarchy: Hierarchy;
  readonly settings: readonly LimitSetting[];
}

/** The hierarchies that the settings need; without settings any that there is, for the parent alone. */
function placesOf({ resources = {}, cgroupParent }: Limits, hierarchies: readonly Hierarchy[]): readonly Place[] {
  const places = hierarchies.map((hierarchy) => ({
    hierarchy,
    settings: limitSettings(resources, hierarchy.version).filter(({ controller }) =>
      hierarchy.controllers.includes(controller),
    ),
  }));
  const found = new Set(places.flatMap(({ settings }) => settings.map(({ option }) => option)));
  for (const { option, controller } of limitSettings(resources, hierarchies[0]?.version ?? 2))
    if (!found.has(option))
      throw unavailable(`--resource ${option}`, `no cgroup hierarchy here has the controller ${controller}`);
  const used = places.filter(({ settings }) => settings.length > 0 || cgroupParent);
  if (used.length === 0) throw unavailable('--cgroup-parent', 'no cgroup hierarchy is mounted on /sys/fs/cgroup');
  return used;
}

function makeIn(hierarchy: Hierarchy, settings: readonly LimitSetting[], limits: Limits): string {
  const parent = parentOf(hierarchy, limits.cgroupParent);
  const option = settings[0] === undefined ? '--cgroup-parent' : `--resource ${settings[0].option}`;
  const shown = `${hierarchy.mountPoint}${parent}`;
  const folder = `${hierarchy.folder}${parent}/slipway-${limits.id}`;
  attempt(option, `cannot make a cgroup in ${shown}`, () => makeParents(hierarchy, parent));
  const controllers = [...new Set(settings.map(({ controller }) => controller))];
  if (hierarchy.version === 2)
    attempt(option, `cannot pass controllers on to ${shown}`, () => delegate(hierarchy, parent, controllers));
  attempt(option, `cannot make a cgroup in ${shown}`, () => mkdirSync(folder));
  try {
    if (hierarchy.controllers.includes('cpuset') && hierarchy.version === 1)
      inheritCpuset(hierarchy, `${parent}/slipway-${limits.id}`);
    for (const { option: name, file, value } of settings) writeLimit(name, `${folder}/${file}`, value);
  } catch (error) {
    rmdirSync(folder);
    throw error;
  }
  return folder;
}

/** One at a time: Node's own way never ends in a filesystem where a folder cannot be made although its parent is there. */
function makeParents({ folder }: Hierarchy, parent: string): void {
  const names = parent.split('/').filter((name) => name !== '');
  for (let depth = 1; depth <= names.length; depth++) {
    const path = `${folder}/${names.slice(0, depth).join('/')}`;
    if (!existsSync(path)) mkdirSync(path);
  }
}

function writeLimit(option: string, file: string, value: string): void {
  if (option === 'memory-swap' && !existsSync(file)) {
    // Without swap accounting there is nothing to limit, as docker has it.
    return;
  }
  attempt(`--resource ${option}`, `the kernel does not take ${value}`, () => writeFileSync(file, value));
}

/** Where the cgroup is made: below the parent asked for, else where it is slipway's to make some. */
function parentOf({ own, version }: Hierarchy, asked: string | undefined): string {
  const clean = (path: string) =>
    `/${path
      .split('/')
      .filter((name) => name !== '')
      .join('/')}`.replace(/\/$/, '');
  if (asked) {
    if (asked.split('/').includes('..'))
      throw new SlipwayError('SLIPWAY_CGROUP_PARENT_INVALID', `--cgroup-parent ${asked}: it must not contain ".."`);
    return clean(asked);
  }
  // A cgroup of version 2 with processes in it cannot have limited ones below it; beside it there can be.
  if (version === 2) return own === '/' ? '' : clean(own.slice(0, own.lastIndexOf('/')));
  return clean(own);
}

/** Lets the children of every cgroup from the root to `parent` have the controllers. */
function delegate({ folder }: Hierarchy, parent: string, controllers: readonly Controller[]): void {
  const names = parent.split('/').filter((name) => name !== '');
  for (let depth = 0; depth <= names.length; depth++) {
    const file = `${folder}/${names.slice(0, depth).join('/')}/cgroup.subtree_control`;
    const enabled = readFileSync(file, 'utf8').trim().split(' ');
    const missing = controllers.filter((name) => !enabled.includes(name));
    if (missing.length > 0) writeFileSync(file, missing.map((name) => `+${name}`).join(' '));
  }
}

/** A new cpuset of version 1 has neither CPUs nor memory nodes, and takes no process until it has. */
function inheritCpuset({ folder }: Hierarchy, path: string): void {
  const names = path.split('/').filter((name) => name !== '');
  for (let depth = 1; depth <= names.length; depth++) {
    const [parent, child] = [depth - 1, depth].map((count) => `${folder}/${names.slice(0, count).join('/')}`);
    for (const file of ['cpuset.cpus', 'cpuset.mems'])
      if (readFileSync(`${child}/${file}`, 'utf8').trim() === '')
        writeFileSync(`${child}/${file}`, readFileSync(`${parent}/${file}`, 'utf8'));
  }
}

function hasMemoryKill(folder: string): boolean {
  return ['memory.events', 'memory.oom_control'].some((file) => {
    const text = existsSync(`${folder}/${file}`) ? readFileSync(`${folder}/${file}`, 'utf8') : '';
    return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0) > 0;
  });
}

/** The kernel takes a moment to be done with the last process. */
async function removeFolder(folder: string): Promise<void> {
  for (let attempts = 1; ; attempts++) {
    try {
      rmdirSync(folder);
      return;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return;
      if (errnoOf(error) !== 'EBUSY' || attempts === REMOVE_ATTEMPTS) throw error;
    }
    await delay(REMOVE_PAUSE_MS);
  }
}

function attempt(option: string, what: string, task: () => void): void {
  try {
    task();
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    throw unavailable(option, `${what}: ${errno}`, error);
  }
}

function unavailable(option: string, why: string, cause?: unknown): SlipwayError {
  return new SlipwayError('SLIPWAY_RESOURCE_UNAVAILABLE', `${option} cannot be had here: ${why}`, {
    hint: 'limits need a cgroup that slipway may write: run as root, or in a delegated cgroup (systemd-run --user --scope -p Delegate=yes slipway …)',
    ...(cause === undefined ? {} : { cause }),
  });
}
