import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { type PlainContainer, plainContainer } from '../rig/plain-container.ts';
import { containers, describeWhere, root } from '../rig/requirements.ts';
import { baseImages, openRig, type SlipwayRig } from '../rig/slipway.ts';

/** What layers can hold, made by steps with every kind of mount. */
const DOCKERFILE = `FROM busybox AS build
RUN mkdir -p /app/deep /gone/deep && echo one > /app/deep/one && echo two > /gone/deep/two && chown -R 1234:60000 /app
RUN rm -r /gone && mkdir -m 750 /gone && echo new > /gone/new && ln /app/deep/one /app/link && ln -s deep /app/short
RUN rm /app/deep/one && mkfifo /pipe && mknod /null c 1 3 && chmod 4755 /app/link && echo 'app:x:77:88::/app:/bin/sh' >> /etc/passwd
RUN echo to-stdout > /dev/stdout && head -c 8 /dev/zero > /zeros && cat /etc/hosts /etc/resolv.conf > /dev/null && touch /tmp/t
COPY files /files
RUN --mount=target=/context --mount=type=cache,target=/cache cp /context/files/a /cache/a && cp /cache/a /from-cache
RUN --mount=type=cache,target=/cache cat /cache/a > /from-cache-again
RUN --mount=type=secret,id=s --mount=type=tmpfs,target=/scratch sha256sum < /run/secrets/s > /sum && cp /run/secrets/s /scratch/s
RUN --mount=type=secret,id=s,target=/etc/s,uid=77,mode=0400 stat -c '%a %u' /etc/s > /secret-mode
USER app
WORKDIR /app/work
RUN id > /tmp/id && umask 077 && mkdir private && echo x > private/file
FROM busybox
COPY --from=build / /
RUN --mount=from=build,source=/app,target=/mnt,rw echo w > /mnt/w && rm -r /app
`;
const FILES = { Dockerfile: DOCKERFILE, 'files/a': 'a', 'files/b/c': 'c', secret: 'canary-of-the-secret' };
const OPTIONS = ['--build-arg', 'SOURCE_DATE_EPOCH=1700000000', '--no-cache', '-q'];

describeWhere('chroot isolation in an unprivileged container', [root, containers], () => {
  let rig: SlipwayRig;
  let context: string;
  let container: PlainContainer;
  beforeAll(() => {
    rig = openRig('root');
    context = rig.context(FILES);
    container = plainContainer([rig.folder, inject('busybox')]);
  });
  afterAll(() => {
    container[Symbol.dispose]();
    rig[Symbol.dispose]();
  });

  const build = (args: readonly string[], env?: readonly string[]) => {
    const secret = ['--secret', `id=s,src=${context}/secret`];
    return container.slipway(['build', ...baseImages(), ...OPTIONS, ...secret, ...args, context], env);
  };
  const output = ['-o', 'type=oci,dest=/tmp/image.tar'];

  it.each([
    ["the container's own overlay", '/store'],
    ['a volume', '/volume/store'],
  ] as const)('gives the image that an OCI runtime gives, with the store on %s', async (_, store) => {
    const hostOutput = ['-o', `type=oci,dest=${rig.folder}/image.tar`, '--secret', `id=s,src=${context}/secret`];
    const expected = await rig.build([...OPTIONS, ...hostOutput, context]);
    const result = await build(['--isolation=chroot', '--root', store, ...output]);
    expect(result).toEqual({ status: 0, stdout: expected.stdout.toString(), stderr: '' });
  });

  it('is named where namespaces are missing, and never chosen silently', async () => {
    const result = await build(['--root', '/volume/store', ...output]);
    expect(result).toMatchObject({ status: 1, stdout: '' });
    expect(result.stderr).toMatch(/\[SLIPWAY_NAMESPACES_FORBIDDEN\]/);
    expect(result.stderr).toMatch(/^hint: .*--isolation chroot/m);
  });

  it('is what doctor finds there, and what it says gains more', async () => {
    const { stdout } = await container.slipway(['doctor', '--json', '--root', '/store']);
    expect(JSON.parse(stdout)).toMatchObject({
      rung: 'chroot',
      next: {
        fixes: [
          expect.stringContaining('--cap-add SYS_ADMIN --security-opt seccomp=unconfined'),
          expect.stringContaining('/store'),
        ],
      },
    });
    const inPod = await container.slipway(['doctor', '--root', '/store'], ['KUBERNETES_SERVICE_HOST=10.0.0.1']);
    expect(inPod.stdout).toMatch(/^RUN steps: chroot$/m);
    expect(inPod.stdout).toMatch(/capabilities: \{add: \[SYS_ADMIN\]\}/);
    expect(inPod.stdout).toMatch(/emptyDir: \{\}/);
  });
});
