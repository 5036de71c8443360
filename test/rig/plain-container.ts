import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { inject } from 'vitest';
import { DEFAULT_CAPABILITIES } from '../../src/executor/capabilities.ts';
import { ociSpec } from '../../src/executor/oci-spec.ts';
import { defaultSeccompProfile } from '../../src/executor/seccomp/default-profile.ts';

/** How a run of the command line in a container ended. */
export interface ContainedRun {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * A container as docker starts it without any option, and Kubernetes a plain pod: root with docker's capabilities and seccomp profile, a root that is
 * an overlay, and `/volume`, which is none. It has slipway, this machine's libraries, and `shown` folders, read-only. Disposing removes it.
 */
export interface PlainContainer extends Disposable {
  /** `slipway ARGS` in the container, with its files as earlier runs left them. */
  slipway(args: readonly string[], env?: readonly string[]): Promise<ContainedRun>;
  /** Where on this machine `/volume` lies. */
  readonly volume: string;
}

/** crun refuses machines whose cgroups are not version 2 alone, unless it finds none. */
const START = `mount -t tmpfs tmpfs /sys/fs/cgroup &&
mount -t overlay -o "lowerdir=$0/lower,upperdir=$0/upper,workdir=$0/work" overlay "$0/rootfs" &&
exec crun --cgroup-manager=disabled run --bundle "$0" "$1"`;

export function plainContainer(shown: readonly string[]): PlainContainer {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-container-'));
  for (const name of ['lower', 'upper', 'work', 'rootfs', 'volume']) mkdirSync(join(folder, name));
  const { node, program } = inject('slipway');
  const sources = [...new Set([dirname(dirname(node)), dirname(dirname(program)), '/usr', ...shown])];
  for (const path of [...sources, '/proc', '/dev', '/sys', '/etc', '/root', '/volume', '/tmp'])
    mkdirSync(join(folder, 'lower', path), { recursive: true });
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) symlinkSync(`usr/${name}`, join(folder, 'lower', name));
  let count = 0;
  return {
    volume: join(folder, 'volume'),
    slipway: async (args, env = []) => {
      const config = containerConfig(folder, { command: [node, program, ...args], env, sources });
      writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
      const id = `slipway-test-${process.pid}-${count++}`;
      const child = spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', START, folder, id]);
      const output = { stdout: '', stderr: '' };
      for (const name of ['stdout', 'stderr'] as const)
        child[name].setEncoding('utf8').on('data', (text: string) => {
          output[name] += text;
        });
      const [status] = (await once(child, 'close')) as [number | null];
      return { status, ...output };
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function containerConfig(
  folder: string,
  step: { readonly command: readonly string[]; readonly env: readonly string[]; readonly sources: readonly string[] },
): unknown {
  const profile = defaultSeccompProfile(DEFAULT_CAPABILITIES);
  if (profile === undefined) throw new Error('there is no seccomp profile for this architecture');
  const bind = (destination: string, source: string, access: 'ro' | 'rw') => {
    return { destination, type: 'none', source, options: ['rbind', access] };
  };
  return ociSpec(
    {
      id: 'container',
      args: step.command,
      env: ['PATH=/usr/sbin:/usr/bin', ...step.env],
      cwd: '/',
      user: '',
      hostname: 'container',
      network: 'none',
      security: 'sandbox',
      extraHosts: [],
      ulimits: [],
      devices: [],
    },
    {
      rootPath: join(folder, 'rootfs'),
      user: { uid: 0, gid: 0, groups: [0], home: '/root' },
      cwd: '/',
      mounts: [
        ...step.sources.map((source) => bind(source, source, 'ro')),
        bind('/volume', join(folder, 'volume'), 'rw'),
      ],
      seccomp: { profile, annotations: {} },
      userNamespace: false,
    },
  );
}
