import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { BUSYBOX } from '../executor/rig/rungs.ts';
import { containers, describeWhere, ordinaryUser } from '../rig/requirements.ts';
import { inUnifiedCgroups, missingForUnifiedCgroups } from '../rig/unified-cgroup-machine.ts';
import { asUser, TEST_USER } from '../rig/users.ts';

const HEAD = 'FROM scratch\nCOPY busybox /bin/busybox\nCOPY busybox /bin/sh\nENV PATH=/bin\n';
const SHOW = ['memory.max', 'memory.swap.max', 'cpu.max', 'cpu.weight'].map(
  (file) => `echo "${file} $(busybox cat /sys/fs/cgroup/${file})"`,
);
const LIMITS = ['memory=48m', 'memory-swap=64m', 'cpu-quota=50000', 'cpu-shares=512'];
const ISOLATIONS = ['oci', 'native'];

describeWhere(
  'limits on a machine whose cgroups are of version 2',
  [missingForUnifiedCgroups, containers, ordinaryUser],
  () => {
    let said: ReadonlyMap<string, string>;
    beforeAll(() => {
      const context = mkdtempSync(`${tmpdir()}/slipway-limits-`);
      chmodSync(context, 0o755);
      try {
        copyFileSync(BUSYBOX ?? '', `${context}/busybox`);
        writeFileSync(`${context}/shows`, `${HEAD}RUN ${SHOW.join('; ')}; busybox cat /proc/self/cgroup\n`);
        writeFileSync(`${context}/wants-memory`, `${HEAD}RUN busybox head -c 200000000 /dev/zero | busybox tail\n`);
        const byRoot = ISOLATIONS.flatMap((isolation) => commandsOf(isolation, context));
        said = inUnifiedCgroups(Object.fromEntries([...byRoot, ...commandsWithoutRoot(context)]));
      } finally {
        rmSync(context, { recursive: true });
      }
    });

    describe.each(ISOLATIONS)('by isolation %s', (isolation) => {
      const log = (name: string) => said.get(`${isolation} ${name}`) ?? '';

      it('are those of the step’s own cgroup', () => {
        const lines = [
          'memory.max 50331648',
          'memory.swap.max 16777216',
          'cpu.max 50000 100000',
          'cpu.weight 20',
          '0::/',
        ];
        for (const line of lines) expect(log('limits')).toMatch(new RegExp(` ${line}\n`));
      });

      it('of memory are named when a step is killed for them', () => {
        expect(log('memory')).toContain('used more than its memory limit of 48 MiB');
        expect(log('memory')).toContain('[SLIPWAY_RUN_OUT_OF_MEMORY]');
      });

      it('hold below the parent that was asked for', () => {
        expect(log('parent')).toMatch(/ memory\.max 33554432\n/);
        expect(log('parent')).toMatch(/ cpu\.max \n/);
      });

      it('of a controller that the kernel lacks are refused', () => {
        expect(log('cpuset')).toContain('--resource cpuset-cpus cannot be had here');
      });

      it('hold where the builder is in a cgroup of its own, beside that', () => {
        expect(log('delegated')).toMatch(/ memory\.max 33554432\n/);
      });

      it('leave no cgroup behind', () => {
        expect(log('left').trim().split('\n').sort()).toEqual(
          ['', '/service', '/service/builder', '/team', '/team/builds'].map((name) => `/sys/fs/cgroup${name}`),
        );
      });
    });

    describe.each(ISOLATIONS)('without root, by isolation %s', (isolation) => {
      const log = (name: string) => said.get(`user ${isolation} ${name}`) ?? '';

      it('are those of the step’s own cgroup, where the builder’s was delegated', () => {
        for (const line of ['memory.max 50331648', 'cpu.max 50000 100000', 'cpu.weight 20', '0::/'])
          expect(log('limits')).toMatch(new RegExp(` ${line}\n`));
      });

      it('of memory are named when a step is killed for them', () => {
        expect(log('memory')).toContain('used more than its memory limit of 48 MiB');
        expect(log('memory')).toContain('[SLIPWAY_RUN_OUT_OF_MEMORY]');
      });

      it('are refused where nothing was delegated, with the place and what helps', () => {
        expect(log('undelegated')).toMatch(
          /--resource memory cannot be had here: cannot .* \/sys\/fs\/cgroup\/other: EACCES/,
        );
        expect(log('undelegated')).toContain('Delegate=yes');
      });

      it('leave no cgroup behind', () => {
        expect(log('left').trim().split('\n').sort()).toEqual(
          ['', '/builder'].map((name) => `/sys/fs/cgroup/delegated${name}`),
        );
      });
    });
  },
);

function commandsOf(isolation: string, context: string): [string, string][] {
  const { node, program } = inject('slipway');
  const slipway = `${node} ${program} build --root /mnt/store --isolation=${isolation} --no-cache --progress=plain --network=host`;
  const build = (file: string, ...args: readonly string[]) =>
    `${slipway} ${args.join(' ')} -f ${context}/${file} ${context} 2>&1`;
  const resources = (...names: readonly string[]) => names.map((name) => `--resource ${name}`);
  const inService = 'mkdir -p /sys/fs/cgroup/service/builder; echo 0 >/sys/fs/cgroup/service/builder/cgroup.procs';
  return [
    [`${isolation} limits`, build('shows', ...resources(...LIMITS))],
    [`${isolation} memory`, build('wants-memory', ...resources('memory=48m'))],
    [`${isolation} parent`, build('shows', '--cgroup-parent=/team/builds', ...resources('memory=32m'))],
    [`${isolation} cpuset`, build('shows', ...resources('cpuset-cpus=0'))],
    [`${isolation} delegated`, `(${inService}; ${build('shows', ...resources('memory=32m'))})`],
    [`${isolation} left`, 'find /sys/fs/cgroup -type d'],
  ];
}

/** By an ordinary user, in a cgroup that was given to it as systemd delegates one (cgroups(7)), and in one that was not. */
function commandsWithoutRoot(context: string): [string, string][] {
  const { node, program } = inject('slipway');
  const prepare = [
    `install -d -o ${TEST_USER} /mnt/home`,
    'cd /sys/fs/cgroup',
    'echo "+memory +cpu" >cgroup.subtree_control',
    'mkdir -p delegated/builder other/builder',
    `chown -R ${TEST_USER} delegated/builder`,
    `chown ${TEST_USER} delegated delegated/cgroup.procs delegated/cgroup.threads delegated/cgroup.subtree_control`,
    'cd /mnt/home',
  ];
  const slipway = `${node} ${program} build --root /mnt/home/store --no-cache --progress=plain --network=host`;
  const inCgroup = (cgroup: string, command: string) =>
    `(echo 0 >/sys/fs/cgroup/${cgroup}/builder/cgroup.procs; HOME=/mnt/home ${asUser([command]).join(' ')} 2>&1)`;
  const builds = ISOLATIONS.flatMap((isolation): [string, string][] => {
    const build = (file: string, ...names: readonly string[]) =>
      [
        slipway,
        `--isolation=${isolation}`,
        ...names.map((name) => `--resource ${name}`),
        `-f ${context}/${file} ${context}`,
      ].join(' ');
    return [
      [`user ${isolation} limits`, inCgroup('delegated', build('shows', ...LIMITS))],
      [`user ${isolation} memory`, inCgroup('delegated', build('wants-memory', 'memory=48m'))],
      [`user ${isolation} undelegated`, inCgroup('other', build('shows', 'memory=48m'))],
      [`user ${isolation} left`, 'find /sys/fs/cgroup/delegated -type d'],
    ];
  });
  return [['user', prepare.join('; ')], ...builds];
}
