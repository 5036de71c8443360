import type { ContainerState } from './container-state.ts';
import type { Rung } from './rungs.ts';
import type { StateStep } from './state-steps.ts';

/** Where steps of ours are not as BuildKit's, and why that is as it should be. */
interface Difference {
  readonly why: string;
  /** The value by the probe's names; undefined where it is the machine's to say. */
  readonly ours: Readonly<Record<string, string | undefined>>;
  /** Of which of the fields of BuildKit's state it holds, besides; all of them have the value `matching`. */
  readonly fields?: RegExp;
  readonly matching?: string;
  /** Where it holds; everywhere where nothing is said. */
  readonly runtimes?: readonly Rung['runtime'][];
  readonly rootless?: boolean;
  readonly steps?: readonly StateStep[];
}

const NOT_THERE = 'nothing';
const SANDBOXED = ['default', 'user'] as const;

const DIFFERENCES: readonly Difference[] = [
  {
    why: 'where a step lies among the cgroups of the machine is not its business; BuildKit hides it on version 2 alone, and was recorded on version 1',
    ours: { cgroup: 'the root', 'namespace.cgroup': 'its own' },
  },
  {
    why: 'Node raises its own limit, and programs that close every number below a high one are slow; the hard limit is the same',
    ours: { 'limit.open-files.soft': '1024' },
  },
  {
    why: 'without a devices cgroup, which nothing but root could have, nodev keeps a step from the disks whose nodes it makes',
    ours: { 'mount./dev': 'rw,nosuid,nodev tmpfs tmpfs / rw,size=65536k,mode=755', 'may.use-null-device': 'no' },
    steps: SANDBOXED,
  },
  { why: 'as above', ours: { 'mount./': 'rw,nodev,relatime overlay' }, rootless: false, steps: SANDBOXED },
  {
    why: 'in a /dev with nodev devices have to be mounts, of nodes that are made for the step',
    ours: ofDevices("rw,relatime the step's"),
    rootless: false,
    steps: SANDBOXED,
  },
  {
    why: 'the mount is read-only; where the filesystem is a new one, runc makes that read-only besides',
    ours: { 'mount./sys': 'ro,nosuid,nodev,noexec,relatime sysfs sysfs / rw' },
    runtimes: ['crun', 'native'],
    steps: ['user'],
  },
  {
    why: 'crun makes the link also where the kernel has no kcore',
    ours: { 'device./dev/core': 'link to /proc/kcore' },
    runtimes: ['crun'],
  },
  {
    why: "crun gives the pipes to the user's group as well",
    ours: {
      'descriptor.stdin': 'fifo 600 33:33',
      'descriptor.stdout': 'fifo 600 33:33',
      'descriptor.stderr': 'fifo 600 33:33',
    },
    runtimes: ['crun'],
    steps: ['user', 'insecure-user'],
  },
];

const ROOTLESS: readonly Difference[] = [
  {
    why: 'the kernel lets no step make devices; BuildKit leaves it at that',
    ours: { 'may.make-block-device': 'yes', 'may.make-null-device': 'yes' },
    steps: ['default'],
  },
  {
    why: 'what /sys tells of the machine is read by programs; BuildKit leaves it out, with the cgroups below it',
    ours: {
      'file./sys': 'directory 555 65534:65534',
      'mount./sys': 'ro,nosuid,nodev,noexec,relatime sysfs sysfs / rw',
      'mount.cgroup': 'ro,nosuid,nodev,noexec,relatime',
      'mounts.order': '/ /proc /dev /dev/pts /dev/shm /dev/mqueue /sys /etc/resolv.conf /etc/hosts',
    },
  },
  { why: 'as above', ours: { 'network.devices': 'lo' }, steps: ['user', 'insecure-user'] },
  {
    why: 'as above, by runc',
    ours: { 'mount./sys': 'ro,nosuid,nodev,noexec,relatime sysfs sysfs / ro' },
    runtimes: ['runc'],
    steps: ['user'],
  },
  {
    why: 'as above; writable, as with root, towards what the namespace owns: nothing',
    ours: { 'mount./sys': 'rw,nosuid,nodev,noexec,relatime sysfs sysfs / rw' },
    steps: ['insecure', 'insecure-user'],
  },
  {
    why: 'as above, but for runc, which shows the cgroups of the machine where it can mount none',
    ours: { 'mount.cgroup': 'rw,nosuid,nodev,noexec,relatime' },
    runtimes: ['crun', 'native'],
    steps: ['insecure'],
  },
  { why: 'as above', ours: { 'mount.cgroup': 'rw,nosuid,nodev,noexec,relatime' }, steps: ['insecure-user'] },
  {
    why: 'crun mounts devices with two options more than are asked for',
    ours: ofDevices("rw,nosuid,noexec,relatime the machine's"),
    runtimes: ['crun'],
  },
  {
    why: 'runc and we keep the option, which changes nothing in a user namespace',
    ours: { 'mount./': 'rw,nodev,relatime overlay' },
    runtimes: ['runc', 'native'],
    steps: SANDBOXED,
  },
  {
    why: 'sysctl kernel.dmesg_restrict',
    ours: { 'may.read-kernel-log': undefined },
    steps: ['insecure', 'insecure-user'],
  },
];

const CHROOT: readonly Difference[] = [
  { why: 'it has no /proc, where these are read', ours: {}, fields: /^(limit|mount|cgroup)\b/, matching: NOT_THERE },
  {
    why: 'it has no /proc, where these are read',
    ours: { 'host.domain': '', 'mounts.order': '', 'network.devices': '' },
    fields:
      /^(status|child|machine|namespace|descriptor\.\d\.flags|process\.(parent|terminal|nice|policy|oom|person|core))/,
    matching: '',
  },
  {
    why: 'it has no /proc, so there is no telling; chroot.test.ts counts them from outside',
    ours: { 'descriptor.0': 'closed', 'descriptor.1': 'closed', 'descriptor.2': 'closed' },
  },
  {
    why: 'without /proc/self/fd the outputs are pipes with names',
    ours: {
      'descriptor.stdin': 'character special file 666 0:0',
      'descriptor.stdout': 'fifo 622 0:0',
      'descriptor.stderr': 'fifo 622 0:0',
      'device./dev/fd': 'directory 755 0:0 0:0',
      'device./dev/fd/0': 'link to ../null',
      'device./dev/fd/1': 'link to ../stdout',
      'device./dev/fd/2': 'link to ../stderr',
      'device./dev/stdin': 'link to null',
      'device./dev/stdout': 'fifo 622 0:0 0:0',
      'device./dev/stderr': 'fifo 622 0:0 0:0',
    },
  },
  { why: 'nothing is mounted', ours: { 'device./dev/ptmx': NOT_THERE, 'device./dev/pts/ptmx': NOT_THERE } },
  { why: 'it has no namespaces', ours: { 'process.id': undefined, 'host.name': "the machine's" } },
  { why: 'who may could leave the root', ours: { 'may.chroot': 'no' } },
  { why: 'it protects from mistakes, not from malice', ours: { 'may.read-block-device': 'yes' } },
];

/** What is expected to be ours, by field, where it is not theirs. */
export function differencesFor(
  rung: Rung,
  step: StateStep,
  theirs: ContainerState,
): ReadonlyMap<string, string | undefined> {
  const lists = rung.runtime === 'chroot' ? CHROOT : [...DIFFERENCES, ...(rung.rootless ? ROOTLESS : [])];
  const holding = lists.filter(
    ({ runtimes, rootless, steps }) =>
      (runtimes ?? [rung.runtime]).includes(rung.runtime) &&
      (rootless ?? rung.rootless) === rung.rootless &&
      (steps ?? [step]).includes(step),
  );
  const expected = holding.flatMap(({ ours, fields, matching }) => [
    ...Object.entries(ours),
    ...[...theirs.keys()].filter((name) => fields?.test(name)).map((name) => [name, matching] as const),
  ]);
  return new Map(expected.filter(([name, value]) => theirs.get(name) !== value));
}

/** The mounts of a container's devices. */
function ofDevices(value: string): Record<string, string> {
  const names = ['full', 'null', 'random', 'tty', 'urandom', 'zero'];
  return Object.fromEntries(names.map((name) => [`mount./dev/${name}`, value]));
}
