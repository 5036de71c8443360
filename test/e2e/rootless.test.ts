import { chmodSync, chownSync, statSync } from 'node:fs';
import { expect, it } from 'vitest';
import { findProgram } from '../../src/executor/oci-runtime.ts';
import { containers, describeWhere, ordinaryUser, root } from '../rig/requirements.ts';
import { openRig, type RunOptions, type Who } from '../rig/slipway.ts';
import { tarOf } from '../rig/tar.ts';
import { mayRun } from '../rig/users.ts';

const DOCKERFILE = `FROM busybox AS build
RUN echo 'app:x:1234:1235::/home/app:/bin/sh' >> /etc/passwd && echo 'staff:x:1235:' >> /etc/group
RUN mkdir -p /home/app /deleted/deep && chown app:staff /home/app && touch /deleted/deep/file
RUN rm -r /deleted && mkdir /deleted && ln /etc/passwd /etc/passwd.same && mkfifo /pipe && chmod 4755 /bin/busybox
COPY --chown=app:staff --chmod=640 own.txt /home/app/
COPY tree /tree
ADD archive.tar /archive/
USER app
WORKDIR /home/app/work
RUN id > id && umask 077 && mkdir private && echo x > private/file
FROM busybox
COPY --from=build /home /home
COPY --from=build --chown=7:8 /tree /tree
RUN chown -R 1000:65535 /tree
`;
const FILES = {
  Dockerfile: DOCKERFILE,
  'own.txt': 'mine',
  'tree/a/b': 'b',
  'tree/run': '#!/bin/sh\n',
  'archive.tar': tarOf(
    { path: 'folder/', mode: 0o1777, uid: 5, gid: 6 },
    { path: 'folder/file', text: 'text', mode: 0o4711, uid: 1234, gid: 60_000 },
    { path: 'folder/link', type: 'symlink', target: '../elsewhere' },
  ),
};

describeWhere('a build by an ordinary user', [root, containers, ordinaryUser], () => {
  it('gives the same image as a build by root', async () => {
    expect(await imageDigest('ordinary user')).toBe(await imageDigest('root'));
  });

  it('gives the same image of every stage as a build by root', async () => {
    expect(await imageDigest('ordinary user', ['--target=build'])).toBe(await imageDigest('root', ['--target=build']));
  });

  it.each(['root', 'ordinary user'] as const)(
    'gives %s files that are theirs, whoever the context belongs to',
    async (who) => {
      using rig = openRig(who);
      const context = rig.context({
        Dockerfile: 'FROM scratch\nCOPY . /\n',
        small: 's',
        'd/large': 'l'.repeat(1_000_000),
      });
      // No subordinate id reaches them.
      for (const name of ['small', 'd', 'd/large']) chownSync(`${context}/${name}`, 900_000, 900_001);
      chmodSync(`${context}/d`, 0o755);
      await rig.build(['-o', `type=local,dest=${rig.folder}/out`, context]);
      const owners = ['', 'small', 'd', 'd/large'].map((name) => statSync(`${rig.folder}/out/${name}`));
      const { uid, gid } = who === 'root' ? { uid: 0, gid: 0 } : statSync(rig.folder);
      expect(owners.map((file) => [file.uid, file.gid])).toEqual(owners.map(() => [uid, gid]));
    },
  );
});

async function imageDigest(who: Who, args: readonly string[] = []): Promise<string> {
  using rig = openRig(who);
  const epoch = ['--build-arg', 'SOURCE_DATE_EPOCH=1700000000', '--no-cache'];
  const metadata = ['-o', `type=oci,dest=${rig.folder}/image.tar`, '--iidfile', `${rig.folder}/iid`, '-q'];
  const { stdout } = await rig.build([...epoch, ...metadata, ...args, rig.context(FILES)]);
  expect(stdout.toString()).toMatch(/^sha256:[0-9a-f]{64}\n$/);
  return stdout.toString();
}

describeWhere('an ordinary user who cannot have user namespaces', [root, containers, ordinaryUser], () => {
  it('is told that newuidmap is missing, and what to install', async () => {
    const path = findProgram('newuidmap', process.env) ?? '';
    const hidden = ['unshare', '--mount', 'sh', '-c', 'mount --bind /dev/null "$0" && exec "$@"', path];
    const stderr = await refusal({ under: hidden });
    expect(stderr).toMatch(/^error: .*newuidmap.* \[SLIPWAY_NEWUIDMAP_MISSING\]$/m);
    expect(stderr).toMatch(/^hint: .*apt-get install -y uidmap/m);
  });

  it('is told that it has no subordinate ids, and the command that gives them', async () => {
    const name = 'slipway-without-ids';
    using _user = userWithoutIds(name);
    const stderr = await refusal({ user: name });
    expect(stderr).toMatch(/^error: .*slipway-without-ids.* \[SLIPWAY_SUBIDS_MISSING\]$/m);
    expect(stderr).toMatch(/^hint: .*usermod --add-subuids/m);
  });

  it('is told that user namespaces are forbidden', async () => {
    const stderr = await refusal({ under: ['sh', '-c', WITHOUT_USER_NAMESPACES, 'sh'] });
    expect(stderr).toMatch(/^error: .*user namespace.* \[SLIPWAY_NAMESPACES_FORBIDDEN\]$/m);
    expect(stderr).toMatch(/^hint: /m);
  });
});

/** Runs a command in a user namespace with all ids of the host, in and below which there can be no other. */
const WITHOUT_USER_NAMESPACES = `
  unshare --user sleep 5 > /dev/null 2>&1 &
  until echo 0 0 4294967295 > /proc/$!/uid_map; do sleep 0.05; done 2> /dev/null
  echo 0 0 4294967295 > /proc/$!/gid_map
  exec nsenter --user=/proc/$!/ns/user sh -c 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"' sh "$@"`;

/** What the user is told, without a stack trace. */
async function refusal(options: RunOptions): Promise<string> {
  using rig = openRig('ordinary user');
  const { status, stderr } = await rig.run(['build', rig.context({ Dockerfile: 'FROM scratch\n' })], options);
  expect(stderr).not.toMatch(/^\s+at /m);
  expect(status, stderr).toBe(1);
  return stderr;
}

function userWithoutIds(name: string): Disposable {
  mayRun(['useradd', '--no-create-home', '--shell', '/bin/sh', name]);
  for (const kind of ['uid', 'gid']) mayRun(['sed', '-i', `/^${name}:/d`, `/etc/sub${kind}`]);
  return { [Symbol.dispose]: () => void mayRun(['userdel', name]) };
}
