import { spawnSync } from 'node:child_process';
import { describe, inject, it } from 'vitest';
import { findProgram } from '../../src/executor/oci-runtime.ts';
import { asUser, isRoot, prepareTestUser } from './users.ts';

/** Something that a machine may lack: returns what is lacking, in words, or nothing. */
export type Requirement = () => string | undefined;

/** A suite, if the machine has what it needs. Otherwise it is skipped and the reason printed; under CI=true it fails with the reason. */
export function describeWhere(title: string, requirements: readonly Requirement[], suite: () => void): void {
  const lacks = lacking(requirements);
  if (lacks === '') describe(title, suite);
  else if (process.env.CI === 'true')
    it(title, () => {
      throw new Error(`cannot be tested on this machine: ${lacks}`);
    });
  else skipLoudly(title, lacks);
}

/** A suite for what few machines have: where it is lacking, the suite is skipped and the reason printed, under CI as well. */
export function describeWherePossible(title: string, requirements: readonly Requirement[], suite: () => void): void {
  const lacks = lacking(requirements);
  if (lacks === '') describe(title, suite);
  else skipLoudly(title, lacks);
}

function lacking(requirements: readonly Requirement[]): string {
  return requirements.flatMap((requirement) => requirement() ?? []).join('; ');
}

function skipLoudly(title: string, why: string): void {
  console.warn(`SKIPPED: ${title}: ${why}`);
  describe.skip(`${title} (skipped: ${why})`, () => it('is not tested here', () => {}));
}

export const root: Requirement = () => (isRoot() ? undefined : 'only root can do this');

/** Installed by `.ci/install test`. */
export function program(name: string): Requirement {
  return () =>
    findProgram(name, process.env) === undefined ? `${name} is not installed (.ci/install test)` : undefined;
}

/** Containers can be run on a busybox image. */
export const containers: Requirement = () => {
  if (inject('busybox') === '') return 'there is no /bin/busybox (apt-get install busybox-static)';
  return program('crun')() === undefined ? undefined : program('runc')();
};

/** An ordinary user, if need be made for the tests, who may make user namespaces with subordinate ids. */
export const ordinaryUser: Requirement = () => {
  const lack = program('newuidmap')() ?? prepareTestUser();
  if (lack !== undefined) return lack;
  const [unshare = '', ...args] = asUser(['unshare', '--user', 'true']);
  const { status, stderr } = spawnSync(unshare, args, { encoding: 'utf8' });
  return status === 0 ? undefined : `an ordinary user cannot make a user namespace: ${stderr.trim()}`;
};

/** debian:bookworm, for the builds of real projects. They take minutes and the network. */
export const heavyBuilds: Requirement = () => {
  if (process.env.SLIPWAY_HEAVY !== '1') return 'takes minutes; run with SLIPWAY_HEAVY=1';
  return inject('debian') === ''
    ? 'debian:bookworm is neither cached nor can it be made (root and debootstrap)'
    : undefined;
};
