import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openHierarchies } from '../../../src/executor/cgroup/cgroup-hierarchies.ts';
import { limitSettings } from '../../../src/executor/cgroup/limit-settings.ts';
import { makeStepCgroup } from '../../../src/executor/cgroup/step-cgroup.ts';
import { type BusyboxBuilds, busyboxBuilds, missingForBuilds } from '../../rig/busybox-build.ts';

const MiB = 2 ** 20;
const files = (limits: Parameters<typeof limitSettings>[0], version: 1 | 2) =>
  limitSettings(limits, version).map(({ file, value }) => `${file} ${value}`);

describe('limits as files of a cgroup', () => {
  it.each([
    [{ memory: 64 * MiB }, [`memory.max ${64 * MiB}`, `memory.swap.max ${64 * MiB}`]],
    [{ memory: 64 * MiB, memorySwap: 96 * MiB }, [`memory.max ${64 * MiB}`, `memory.swap.max ${32 * MiB}`]],
    [{ memory: 64 * MiB, memorySwap: -1 }, [`memory.max ${64 * MiB}`, 'memory.swap.max max']],
    [{ cpuShares: 1024 }, ['cpu.weight 39']],
    [{ cpuShares: 2 }, ['cpu.weight 1']],
    [{ cpuShares: 262_144 }, ['cpu.weight 10000']],
    [{ cpuQuota: 50_000 }, ['cpu.max 50000 100000']],
    [{ cpuQuota: -1, cpuPeriod: 20_000 }, ['cpu.max max 20000']],
    [{ cpusetCpus: '0-1', cpusetMems: '0' }, ['cpuset.cpus 0-1', 'cpuset.mems 0']],
    [{}, []],
  ])('of version 2: %j', (limits, expected) => {
    expect(files(limits, 2)).toEqual(expected);
  });

  it('of version 1', () => {
    expect(files({ memory: MiB, memorySwap: 2 * MiB, cpuShares: 512, cpuPeriod: 1000, cpuQuota: 500 }, 1)).toEqual([
      `memory.limit_in_bytes ${MiB}`,
      `memory.memsw.limit_in_bytes ${2 * MiB}`,
      'cpu.shares 512',
      'cpu.cfs_period_us 1000',
      'cpu.cfs_quota_us 500',
    ]);
  });
});

describe('the cgroup of a step', () => {
  it('is not made without limits or a parent', () => {
    expect(makeStepCgroup({ id: 'a' }, [])).toBeUndefined();
    expect(makeStepCgroup({ id: 'a', resources: {}, cgroupParent: '' }, [])).toBeUndefined();
  });

  it('is refused, with the reason, where the machine has nowhere to make it', () => {
    expect(() => makeStepCgroup({ id: 'a', resources: { memory: MiB } }, [])).toThrow(
      expect.objectContaining({ code: 'SLIPWAY_RESOURCE_UNAVAILABLE', message: expect.stringContaining('memory') }),
    );
    const hierarchy = {
      version: 2,
      controllers: ['memory'],
      folder: '/proc/nowhere',
      mountPoint: '/sys/fs/cgroup',
      own: '/a/b',
    } as const;
    expect(() => makeStepCgroup({ id: 'a', resources: { memory: MiB } }, [hierarchy])).toThrow(
      expect.objectContaining({
        message: expect.stringMatching(/cannot be had here: .* \/sys\/fs\/cgroup\/a: ENOENT/),
      }),
    );
    expect(() => makeStepCgroup({ id: 'a', cgroupParent: '/a/../b' }, [hierarchy])).toThrow('".."');
  });
});

const missing = [...missingForBuilds(), ...(canLimitMemory() ? [] : ['a memory cgroup that may be written'])];
if (missing.length > 0) console.warn(`SKIPPED: limits of steps: needs ${missing.join(', ')}`);

function canLimitMemory(): boolean {
  using opened = openHierarchies();
  const hierarchy = opened.hierarchies.find(({ controllers }) => controllers.includes('memory'));
  return process.geteuid?.() === 0 && hierarchy !== undefined && existsSync('/sys/fs/cgroup');
}

describe.skipIf(missing.length > 0)('a step with limits', () => {
  let builds: BusyboxBuilds;
  beforeAll(() => {
    builds = busyboxBuilds();
  });
  afterAll(() => builds[Symbol.dispose]());

  it.each(['oci', 'native'])(
    'that is killed for its memory says so, with the limit (%s)',
    (isolation) => {
      const { status, log } = builds.build('RUN busybox head -c 200000000 /dev/zero | busybox tail\n', [
        ...['--resource', 'memory=48m', '--isolation', isolation],
      ]);
      expect(status).not.toBe(0);
      expect(log).toContain('SLIPWAY_RUN_OUT_OF_MEMORY');
      expect(log).toContain('memory limit of 48 MiB');
    },
    60_000,
  );

  it('has them, keeps what the step says when it fails by itself, and leaves no cgroup behind', () => {
    const { log } = builds.build('RUN busybox grep Cpus_allowed_list /proc/self/status; exit 3\n', [
      ...['--resource', 'memory=64m', '--resource', 'cpuset-cpus=0'],
    ]);
    expect(log).toMatch(/Cpus_allowed_list:\s+0$/m);
    expect(log).toContain('exited with code 3');
    using opened = openHierarchies();
    for (const { folder, own } of opened.hierarchies)
      expect(readdirSync(`${folder}${own}`).filter((name) => name.startsWith('slipway-'))).toEqual([]);
  }, 60_000);

  it('that takes longer than it may is ended, children that ignore signals included', () => {
    const long = `${100_000 + process.pid}`;
    const { log } = builds.build(`RUN trap '' TERM; (trap '' TERM; busybox sleep ${long}) & busybox sleep ${long}\n`, [
      '--timeout=1s',
    ]);
    expect(log).toContain('SLIPWAY_RUN_TIMEOUT');
    expect(log).toContain('did not end within 1 s');
    expect(spawnSync('pgrep', ['-f', `busybox sleep ${long}$`], { encoding: 'utf8' }).stdout).toBe('');
  }, 60_000);
});
