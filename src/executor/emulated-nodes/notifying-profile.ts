import type { SeccompProfile, SeccompRule } from '../seccomp/default-profile.ts';

/**
 * What a step's calls are looked at for: `made` are the nodes that it makes, `shown` also those that are in its root, which are no device
 * nodes but stand for some.
 */
export type EmulatedNodes = 'made' | 'shown';

type Argument = NonNullable<SeccompRule['args']>[number];

/** S_IFCHR and S_IFBLK, and no other type, have the first of these bits without the others. */
const DEVICE_BIT = 0o020000;
const OTHER_TYPE_BITS = [0o010000, 0o100000];
const AT_EMPTY_PATH = 0x1000;
const O_PATH = 0o10000000;

/** Where each call has its mode or its flags. */
const MAKING_CALLS = { mknod: 1, mknodat: 2 };
const STAT_CALLS = { newfstatat: 3, statx: 2 };
const OPEN_CALLS = { open: 1, openat: 2 };
const PLAIN_CALLS = ['stat', 'lstat'];

/** The profile with the calls that slipway answers itself, of those that it allows. */
export function notifyingProfile(profile: SeccompProfile, nodes: EmulatedNodes): SeccompProfile {
  const own = nodes === 'made' ? makingRules() : [...makingRules(), ...showingRules()];
  const names = new Set(own.flatMap((rule) => rule.names));
  const others = profile.syscalls.map((rule) => ({ ...rule, names: rule.names.filter((name) => !names.has(name)) }));
  return { ...profile, syscalls: [...others.filter((rule) => rule.names.length > 0), ...own] };
}

/** Nodes of all other types are the kernel's business. The rules exclude each other: no order has to be known. */
function makingRules(): SeccompRule[] {
  return Object.entries(MAKING_CALLS).flatMap(([name, index]) => {
    const [first = 0, second = 0] = OTHER_TYPE_BITS;
    return [
      rule(name, 'SCMP_ACT_ALLOW', masked(index, DEVICE_BIT, 0)),
      rule(name, 'SCMP_ACT_ALLOW', masked(index, DEVICE_BIT | first, DEVICE_BIT | first)),
      rule(name, 'SCMP_ACT_ALLOW', masked(index, DEVICE_BIT | first | second, DEVICE_BIT | second)),
      rule(name, 'SCMP_ACT_NOTIFY', masked(index, DEVICE_BIT | first | second, DEVICE_BIT)),
    ];
  });
}

/** What is asked of a descriptor was answered when that was opened; one that only names a file can be had of all files. */
function showingRules(): SeccompRule[] {
  return [
    { names: PLAIN_CALLS, action: 'SCMP_ACT_NOTIFY' },
    ...unless(STAT_CALLS, AT_EMPTY_PATH),
    ...unless(OPEN_CALLS, O_PATH),
  ];
}

function unless(calls: Readonly<Record<string, number>>, flag: number): SeccompRule[] {
  return Object.entries(calls).flatMap(([name, index]) => [
    rule(name, 'SCMP_ACT_ALLOW', masked(index, flag, flag)),
    rule(name, 'SCMP_ACT_NOTIFY', masked(index, flag, 0)),
  ]);
}

function rule(name: string, action: SeccompRule['action'], argument: Argument): SeccompRule {
  return { names: [name], action, args: [argument] };
}

/** As runtimes have it, `value` is the mask and `valueTwo` what must be left. */
function masked(index: number, value: number, valueTwo: number): Argument {
  return { index, value, valueTwo, op: 'SCMP_CMP_MASKED_EQ' };
}
