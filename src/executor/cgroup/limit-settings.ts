import type { ResourceLimits } from '../../core/executor.ts';
import type { Controller } from './cgroup-hierarchies.ts';

/** One file of a cgroup, and what is written to it. */
export interface LimitSetting {
  readonly controller: Controller;
  /** The option that it comes from, for messages. */
  readonly option: string;
  readonly file: string;
  readonly value: string;
}

const DEFAULT_PERIOD = 100_000;

/** The limits as files of a cgroup of that version, in the order in which they are written. */
export function limitSettings(limits: ResourceLimits, version: 1 | 2): readonly LimitSetting[] {
  return version === 2 ? unifiedSettings(limits) : legacySettings(limits);
}

/** Documentation/admin-guide/cgroup-v2.rst of Linux. */
function unifiedSettings(limits: ResourceLimits): LimitSetting[] {
  const { memory, memorySwap, cpuShares, cpuPeriod, cpuQuota, cpusetCpus, cpusetMems } = limits;
  const settings: LimitSetting[] = [];
  if (memory !== undefined && memory > 0) settings.push(setting('memory', 'memory', 'memory.max', memory));
  // Docker's number is of memory and swap together, and twice the memory where it is not given.
  if (memorySwap === -1) settings.push(setting('memory', 'memory-swap', 'memory.swap.max', 'max'));
  else if (memory !== undefined && memory > 0)
    settings.push(
      setting('memory', 'memory-swap', 'memory.swap.max', Math.max((memorySwap || memory * 2) - memory, 0)),
    );
  if (cpuShares) settings.push(setting('cpu', 'cpu-shares', 'cpu.weight', weightOf(cpuShares)));
  if (cpuQuota || cpuPeriod) {
    const quota = cpuQuota === undefined || cpuQuota <= 0 ? 'max' : String(cpuQuota);
    const option = cpuQuota ? 'cpu-quota' : 'cpu-period';
    settings.push(setting('cpu', option, 'cpu.max', `${quota} ${cpuPeriod || DEFAULT_PERIOD}`));
  }
  if (cpusetCpus !== undefined) settings.push(setting('cpuset', 'cpuset-cpus', 'cpuset.cpus', cpusetCpus));
  if (cpusetMems !== undefined) settings.push(setting('cpuset', 'cpuset-mems', 'cpuset.mems', cpusetMems));
  return settings;
}

/** Documentation/admin-guide/cgroup-v1 of Linux. */
function legacySettings(limits: ResourceLimits): LimitSetting[] {
  const { memory, memorySwap, cpuShares, cpuPeriod, cpuQuota, cpusetCpus, cpusetMems } = limits;
  const settings: LimitSetting[] = [];
  if (memory !== undefined && memory > 0) settings.push(setting('memory', 'memory', 'memory.limit_in_bytes', memory));
  // Of memory and swap together, so never below the memory; a kernel without accounting of swap has no such file.
  if (memorySwap !== undefined && memorySwap !== 0)
    settings.push(setting('memory', 'memory-swap', 'memory.memsw.limit_in_bytes', memorySwap));
  if (cpuShares) settings.push(setting('cpu', 'cpu-shares', 'cpu.shares', cpuShares));
  if (cpuPeriod) settings.push(setting('cpu', 'cpu-period', 'cpu.cfs_period_us', cpuPeriod));
  if (cpuQuota) settings.push(setting('cpu', 'cpu-quota', 'cpu.cfs_quota_us', cpuQuota));
  if (cpusetCpus !== undefined) settings.push(setting('cpuset', 'cpuset-cpus', 'cpuset.cpus', cpusetCpus));
  if (cpusetMems !== undefined) settings.push(setting('cpuset', 'cpuset-mems', 'cpuset.mems', cpusetMems));
  return settings;
}

function setting(controller: Controller, option: string, file: string, value: string | number): LimitSetting {
  return { controller, option, file, value: String(value) };
}

/** Shares of 2 to 262144 as a weight of 1 to 10000, as runc and crun convert them. */
function weightOf(shares: number): number {
  const bounded = Math.min(Math.max(shares, 2), 262_144);
  return 1 + Math.floor(((bounded - 2) * 9999) / 262_142);
}
