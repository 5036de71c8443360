import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, readFileSync, statSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { validateImage } from '../../src/image/validate.ts';
import { containers, describeWhere, describeWherePossible, program, root } from '../rig/requirements.ts';
import { runTool } from '../rig/run-tool.ts';
import { openRig, type SlipwayRig } from '../rig/slipway.ts';

const DOCKERFILE = `FROM busybox
RUN echo 'app:x:1234:1234::/home/app:/bin/sh' >> /etc/passwd && echo 'app:x:1234:' >> /etc/group
RUN mkdir /removed && echo gone > /removed/file && echo old > /etc/changed
RUN rm -r /removed && echo new > /etc/changed && ln /etc/changed /etc/same && ln -s changed /etc/link
COPY --chown=app:app --chmod=750 greet.sh /usr/local/bin/greet
ENV GREETING="hello there"
LABEL org.example.title="an app"
WORKDIR /home/app
USER app
EXPOSE 8080
CMD ["greet"]
`;
const FILES = { Dockerfile: DOCKERFILE, 'greet.sh': '#!/bin/sh\necho "$GREETING from $(id -un) in $PWD"\n' };
const GREETING = 'hello there from app in /home/app\n';
/** As little as a machine may allow that is itself a container. */
const PODMAN_ISOLATION = [
  '--rm',
  '--network=none',
  '--cgroups=disabled',
  '--ulimit=nofile=1024:1024',
  '--ulimit=nproc=1024:1024',
  '--security-opt=seccomp=unconfined',
  '--log-driver=none',
];
const NAME = 'slipway-e2e.test/app:1.0';

let rig: SlipwayRig;
let oci: string;
let docker: string;

/** One build gives both archives. */
async function buildArchives(): Promise<void> {
  rig = openRig('root');
  oci = `${rig.folder}/app.oci.tar`;
  docker = `${rig.folder}/app.docker.tar`;
  await rig.build(['-t', NAME, '-o', `type=oci,dest=${oci}`, '-o', `type=docker,dest=${docker}`, rig.context(FILES)]);
}

describeWhere('archives of an image', [root, containers], () => {
  beforeAll(buildArchives);
  afterAll(() => rig[Symbol.dispose]());

  it('are valid by every invariant of the image specification', async () => {
    expect(await validateImage(oci)).toEqual([]);
    expect(await validateImage(docker)).toEqual([]);
  });

  describeWhere('skopeo', [program('skopeo')], () => {
    it('inspects the OCI archive', () => {
      const image = JSON.parse(runTool('skopeo', 'inspect', `oci-archive:${oci}`)) as Record<string, unknown>;
      expect(image).toMatchObject({ Os: 'linux', Labels: { 'org.example.title': 'an app' } });
      expect(image.Env).toContain('GREETING=hello there');
    });

    it('copies the OCI archive, verifying every digest', () => {
      const copy = `${rig.folder}/copied`;
      runTool('skopeo', 'copy', '--quiet', '--preserve-digests', `oci-archive:${oci}`, `oci:${copy}:app`);
      expect(digestIn(`${copy}/index.json`)).toBe(digestOf(runTool('tar', '-xOf', oci, 'index.json')));
    });

    it('copies the docker archive', () => {
      runTool('skopeo', 'copy', '--quiet', `docker-archive:${docker}`, `dir:${rig.folder}/copied-docker`);
      expect(existsSync(`${rig.folder}/copied-docker/manifest.json`)).toBe(true);
    });
  });

  describeWhere('umoci', [program('umoci')], () => {
    it('unpacks the OCI archive to the files that were built', () => {
      const [layout, bundle] = [`${rig.folder}/layout`, `${rig.folder}/bundle`];
      runTool('mkdir', layout);
      runTool('tar', '-xf', oci, '-C', layout);
      runTool('umoci', 'unpack', '--image', `${layout}:1.0`, bundle);
      const files = `${bundle}/rootfs`;
      expect(existsSync(`${files}/removed`)).toBe(false);
      expect(readFileSync(`${files}/etc/link`, 'utf8')).toBe('new\n');
      expect(lstatSync(`${files}/etc/same`).ino).toBe(lstatSync(`${files}/etc/changed`).ino);
      expect(statSync(`${files}/usr/local/bin/greet`)).toMatchObject({ uid: 1234, mode: 0o100750 });
    });
  });

  describeWhere('podman', [program('podman')], () => {
    it('loads the docker archive and runs the image', () => {
      const podman = ['podman', '--root', `${rig.folder}/podman`, '--runroot', `${rig.folder}/podman-run`];
      expect(runWithoutCgroups(...podman, '--storage-driver=vfs', 'load', '--quiet', '--input', docker)).toContain(
        NAME,
      );
      expect(runWithoutCgroups(...podman, '--storage-driver=vfs', 'run', ...PODMAN_ISOLATION, NAME)).toBe(GREETING);
    });
  });

  describeWherePossible('docker', [dockerDaemon], () => {
    it('loads the docker archive and runs the image', () => {
      expect(runTool('docker', 'load', '--input', docker)).toContain(NAME);
      try {
        expect(runTool('docker', 'run', '--rm', NAME)).toBe(GREETING);
      } finally {
        runTool('docker', 'rmi', '--force', NAME);
      }
    });
  });
});

/** crun refuses hosts with hybrid cgroups, even where it is to make none; it is not shown them. */
function runWithoutCgroups(...command: readonly string[]): string {
  const hide = '[ ! -d /sys/fs/cgroup/unified ] || mount -t tmpfs none /sys/fs/cgroup; exec "$@"';
  return runTool('unshare', '--mount', 'sh', '-c', hide, 'sh', ...command);
}

function dockerDaemon(): string | undefined {
  try {
    execFileSync('docker', ['info'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'no docker daemon answers';
  }
}

function digestIn(file: string): string | undefined {
  return digestOf(readFileSync(file, 'utf8'));
}

function digestOf(index: string): string | undefined {
  return (JSON.parse(index) as { manifests: { digest: string }[] }).manifests[0]?.digest;
}
