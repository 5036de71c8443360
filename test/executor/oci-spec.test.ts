import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { ProcessSpec } from '../../src/core/executor.ts';
import { DEFAULT_CAPABILITIES } from '../../src/executor/capabilities.ts';
import { type ContainerSetting, ociSpec } from '../../src/executor/oci-spec.ts';
import { defaultSeccompProfile } from '../../src/executor/seccomp/default-profile.ts';

const FIXTURES = new URL('../../fixtures/executor/', import.meta.url);

const spec: ProcessSpec = {
  id: 'c1',
  args: ['/bin/sh', '-c', 'npm ci'],
  env: ['PATH=/bin'],
  cwd: '/app',
  user: 'node',
  hostname: 'buildkitsandbox',
  network: 'sandbox',
  security: 'sandbox',
  extraHosts: [],
  ulimits: [{ name: 'nofile', soft: 1024, hard: -1 }],
  devices: [],
};

const setting: ContainerSetting = {
  rootPath: '/store/mnt/c1/rootfs',
  user: { uid: 1000, gid: 1000, groups: [1000, 27], home: '/home/node' },
  cwd: '/app',
  mounts: [
    { destination: '/etc/hosts', type: 'none', source: '/store/mnt/c1/hosts', options: ['rbind', 'ro'] },
    { destination: '/dev/shm', type: 'tmpfs', source: 'tmpfs', options: ['size=5'] },
  ],
  seccomp: undefined,
  userNamespace: false,
};

test.each([
  ['root', spec, setting],
  ['rootless', spec, { ...setting, userNamespace: true }],
  ['without-network', { ...spec, network: 'none' as const }, { ...setting, userNamespace: true }],
])('the config.json of a step: %s', (name, process, container) => {
  expectGolden(`spec-${name}.json`, ociSpec(process, container));
});

test('the seccomp profile on each architecture', () => {
  const profiles = (['x64', 'arm64', 's390x', 'riscv64'] as const).map((architecture) => [
    architecture,
    defaultSeccompProfile(DEFAULT_CAPABILITIES, architecture),
  ]);
  expectGolden('seccomp.json', Object.fromEntries(profiles));
});

test('a capability brings its system calls, and CAP_SYS_ADMIN lifts the rules about namespaces', () => {
  const names = (capabilities: string[]) =>
    defaultSeccompProfile(capabilities, 'x64')?.syscalls.flatMap((rule) => (rule.args === undefined ? rule.names : []));
  expect(names([])).not.toContain('mount');
  expect(names(['CAP_SYS_ADMIN'])).toEqual(expect.arrayContaining(['mount', 'setns', 'clone3']));
  expect(names(['CAP_SYS_TIME'])).toContain('clock_settime');
});

test('an insecure step has every capability, no filter and nothing masked', () => {
  const { process, linux } = ociSpec({ ...spec, security: 'insecure' }, setting);
  expect(linux).toMatchObject({ maskedPaths: [], readonlyPaths: [] });
  expect(process.capabilities.ambient).toEqual(process.capabilities.bounding);
});

test('an unknown security or network mode is never taken for one without a sandbox', () => {
  const unknown = (change: object) => () => ociSpec({ ...spec, ...change } as ProcessSpec, setting);
  expect(unknown({ security: 'none' })).toThrow('internal: security mode none');
  expect(unknown({ network: 'bridge' })).toThrow('internal: network mode bridge');
});

test('HOME is the user’s, unless the step has one that is not empty', () => {
  const home = (env: string[]) => ociSpec({ ...spec, env }, setting).process.env;
  expect(home(['A=1'])).toEqual(['A=1', 'HOME=/home/node']);
  expect(home(['HOME='])).toEqual(['HOME=/home/node']);
  expect(home(['HOME=/x\ny', 'A=1'])).toEqual(['HOME=/x\ny', 'A=1']);
});

test('a limit of another name is an error', () => {
  const limit = () => ociSpec({ ...spec, ulimits: [{ name: 'nofiles', soft: 1, hard: 1 }] }, setting);
  expect(limit).toThrow(expect.objectContaining({ code: 'SLIPWAY_ULIMIT_UNKNOWN' }));
});

/** Compares with fixtures/executor/; `UPDATE_GOLDENS=1` writes it. */
function expectGolden(name: string, value: unknown): void {
  const file = new URL(name, FIXTURES);
  const text = `${JSON.stringify(value, null, 1)}\n`;
  if (process.env.UPDATE_GOLDENS === '1') {
    mkdirSync(FIXTURES, { recursive: true });
    writeFileSync(file, text);
  }
  expect(text).toBe(readFileSync(file, 'utf8'));
}
