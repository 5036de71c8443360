/**
 * Records what processes in BuildKit's containers are, see and may do, for container-state.test.ts. To be run as root beside a dockerd, of root or not,
 * whose daemon.json allows BuildKit's entitlements `security-insecure` and `network-host`, with DOCKER_SOCKET=PATH, DOCKERD_PID=NUMBER,
 * DOCKER=COMMAND (its client), BUSYBOX=PATH (a static one) and SOURCE=TEXT (the versions: the first line of the recordings).
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { execInBuildkit } from './buildkit-exec.ts';
import { makeBusyboxRoot } from './busybox-root.ts';
import { builderFacts, containerState, stateText } from './container-state.ts';
import { PROBE, recordingOf, STATE_STEPS } from './state-steps.ts';

const IMAGE = 'docker.io/library/slipway-probe:latest';
const {
  BUSYBOX = '/bin/busybox',
  DOCKER = 'docker',
  DOCKER_SOCKET = '/run/docker.sock',
  DOCKERD_PID = '',
  SOURCE = '',
} = process.env;

makeImage();
for (const [name, step] of Object.entries(STATE_STEPS)) {
  const output = await execInBuildkit(DOCKER_SOCKET, {
    image: IMAGE,
    // Otherwise the second recording would be the first's, from the cache.
    args: ['/bin/sh', '/probe.sh', String(Date.now())],
    env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
    ...{ user: '', security: 'sandbox', ...step },
  });
  const builder = builderFacts(Number(DOCKERD_PID));
  const rootless = builder.namespaces.user !== readlinkSync('/proc/self/ns/user');
  const state = containerState(output, builder);
  writeFileSync(recordingOf(name, { rootless }), `# ${SOURCE}\n${stateText(state)}\n`);
}

function makeImage(): void {
  const context = mkdtempSync(`${tmpdir()}/slipway-record-`);
  try {
    makeBusyboxRoot(`${context}/root`, BUSYBOX);
    cpSync(PROBE, `${context}/root/probe.sh`);
    writeFileSync(`${context}/Dockerfile`, 'FROM scratch\nCOPY root/ /\n');
    const [docker = '', ...words] = DOCKER.split(' ');
    const { stderr, status } = spawnSync(docker, [...words, 'buildx', 'build', '--load', '-t', IMAGE, context]);
    if (status !== 0) throw new Error(stderr.toString());
  } finally {
    rmSync(context, { recursive: true });
  }
}
