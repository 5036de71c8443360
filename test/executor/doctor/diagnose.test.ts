import { expect, test } from 'vitest';
import { reportText } from '../../../src/cli/doctor-command.ts';
import { diagnose } from '../../../src/executor/doctor/diagnose.ts';
import type { MachineFacts } from '../../../src/executor/doctor/machine-facts.ts';

/** A machine that has everything. */
const COMPLETE: MachineFacts = {
  nodeVersion: '24.1.0',
  euid: 0,
  capabilities: 'CHOWN DAC_OVERRIDE FOWNER MKNOD SETGID SETUID SYS_CHROOT SYS_ADMIN'
    .split(' ')
    .map((name) => `CAP_${name}`),
  inUserNamespace: false,
  kernel: '6.1.0-18-amd64',
  surroundings: 'machine',
  isFiltered: false,
  sysctls: {},
  namespaces: { work: true },
  programs: Object.fromEntries(
    ['unshare', 'setpriv', 'nsenter', 'newuidmap', 'newgidmap', 'pasta', 'git', 'xz', 'bzip2'].map((name) => [
      name,
      `/usr/bin/${name}`,
    ]),
  ),
  runtimes: [{ name: 'crun', path: '/usr/bin/crun', version: 'crun version 1.8.1' }],
  subordinateIds: { uids: 65536, gids: 65536 },
  hasLibseccomp: true,
  hasTun: true,
  binfmt: ['aarch64'],
  cgroups: { version: 2, controllers: ['memory'], writable: true },
  store: { path: '/var/lib/slipway', writable: true, filesystem: 'ext4' },
};
const USER = { euid: 1000, capabilities: [] };
const NO_NAMESPACES = {
  namespaces: { work: false, error: 'unshare: unshare failed: Operation not permitted' },
} as const;
const NO_CAPABILITIES = { capabilities: COMPLETE.capabilities.filter((name) => name !== 'CAP_SYS_ADMIN') };

const machine = (change: Partial<MachineFacts>): MachineFacts => ({ ...COMPLETE, ...change });

test.each([
  ['root', {}, 'oci root'],
  ['a user', USER, 'oci rootless'],
  ['root without a runtime', { runtimes: [] }, 'native root'],
  ['a user without a runtime', { ...USER, runtimes: [] }, 'native rootless'],
  ["root of a container with docker's defaults", { ...NO_NAMESPACES, ...NO_CAPABILITIES }, 'chroot'],
  ['root whose store is on overlayfs', { store: { ...COMPLETE.store, filesystem: 'overlay' } }, 'chroot'],
  ['a user without namespaces', { ...USER, ...NO_NAMESPACES }, 'none'],
  ['a user without subordinate ids', { ...USER, subordinateIds: { uids: 0, gids: 0 } }, 'none'],
  ['a user of an old kernel', { ...USER, kernel: '5.10.0' }, 'none'],
  ['root without capabilities', { ...NO_NAMESPACES, capabilities: [] }, 'none'],
  ["a user namespace's root without namespaces", { ...NO_NAMESPACES, inUserNamespace: true }, 'none'],
  ['root whose store cannot be written', { store: { ...COMPLETE.store, writable: false } }, 'none'],
] as const)('%s gets the rung that the machine gives', (_, change, rung) => {
  expect(diagnose(machine(change)).rung).toBe(rung);
});

test('a machine that has everything loses nothing, and nothing is better', () => {
  const diagnosis = diagnose(COMPLETE);
  expect(diagnosis).toMatchObject({ version: 1, lost: [], next: null });
  expect(diagnosis.checks.map(({ name, state }) => [name, state]).filter(([, state]) => state !== 'ok')).toEqual([]);
});

test.each([
  ['user.max_user_namespaces', '0', 'sudo sysctl -w user.max_user_namespaces=28633'],
  ['kernel.unprivileged_userns_clone', '0', 'sudo sysctl -w kernel.unprivileged_userns_clone=1'],
  [
    'kernel.apparmor_restrict_unprivileged_userns',
    '1',
    'sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0',
  ],
])('a user whom the sysctl %s forbids namespaces is told how to set it', (name, value, fix) => {
  const { next } = diagnose(machine({ ...USER, ...NO_NAMESPACES, sysctls: { [name]: value } }));
  expect(next).toEqual({ rung: 'oci rootless', fixes: [fix] });
});

test.each([
  ['kubernetes', /capabilities: \{add: \[SYS_ADMIN\]\}, seccompProfile: \{type: Unconfined\}/],
  ['docker', /^docker run --cap-add SYS_ADMIN --security-opt seccomp=unconfined/],
  ['podman', /^podman run --cap-add SYS_ADMIN/],
  ['machine', /CAP_SYS_ADMIN/],
] as const)('root in %s is told in its words what gains namespaces', (surroundings, fix) => {
  const { next } = diagnose(machine({ ...NO_NAMESPACES, ...NO_CAPABILITIES, surroundings }));
  expect(next).toEqual({ rung: 'oci root', fixes: [expect.stringMatching(fix)] });
});

test('what is missing says what is lost and what brings it', () => {
  const { checks } = diagnose(machine({ programs: {}, runtimes: [], binfmt: undefined, hasLibseccomp: false }));
  const missing = checks.filter(({ state }) => state === 'missing');
  expect(missing.map(({ name }) => name)).toEqual([
    ...['util-linux', 'oci-runtime', 'libseccomp', 'network', 'foreign-platforms', 'git', 'xz', 'bzip2'],
  ]);
  for (const { effect, fix } of missing) expect([effect, fix]).toEqual([expect.any(String), expect.any(String)]);
});

test.each([
  [1, /^build as root/],
  [2, /^systemd-run --user --scope -p Delegate=yes/],
] as const)('cgroups of version %i count only where they can be written', (version, fix) => {
  const check = (writable: boolean) =>
    diagnose(machine({ cgroups: { version, controllers: ['memory'], writable } })).checks.find(
      ({ name }) => name === 'cgroups',
    );
  expect(check(true)).toMatchObject({ state: 'ok', found: `version ${version}: memory` });
  expect(check(false)).toMatchObject({ state: 'missing', fix: expect.stringMatching(fix) });
});

test('the JSON of the best rung has a next one, which is null', () => {
  expect(JSON.parse(JSON.stringify(diagnose(COMPLETE)))).toHaveProperty('next', null);
});

test('the text names the rung, what is lost, and what gains the next', () => {
  const text = reportText(diagnose(machine({ ...NO_NAMESPACES, ...NO_CAPABILITIES, surroundings: 'docker' })));
  expect(text).toMatch(/^RUN steps: chroot\n\nlost here:\n/);
  expect(text).toContain('build with --isolation chroot');
  expect(text).toMatch(/^to gain oci root:\n {2}docker run --cap-add SYS_ADMIN/m);
  expect(text).toMatch(/^-- namespaces +unshare: unshare failed/m);
});
