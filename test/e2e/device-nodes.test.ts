import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { archiveOf, item } from '../cache/tar/archives.ts';
import { containers, describeWhere, ordinaryUser, root } from '../rig/requirements.ts';
import { openRig, type SlipwayRig } from '../rig/slipway.ts';

const NODES = archiveOf([
  item({ path: 'rootfs/', type: 'dir', mode: 0o755 }),
  item({ path: 'rootfs/dev/', type: 'dir', mode: 0o755 }),
  item({ path: 'rootfs/dev/null', type: 'char', mode: 0o666, device: { major: 1, minor: 3 } }),
  item({ path: 'rootfs/dev/sda', type: 'block', mode: 0o660, uid: 0, gid: 6, device: { major: 8, minor: 300 } }),
]);

/** What later steps see of nodes that earlier ones made, and layers of images brought. */
const LOOK = `{
  cd /rootfs/dev; stat -c '%n %F %t,%T %a %u:%g %s %h' null sda again ../link; stat -L -c '%F %t,%T' ../link
  ls -l | awk '{print $1, $3, $4, $5, $6, $NF}'
  for n in null sda ../link; do test -c $n && echo c; test -b $n && echo b; test -f $n && echo f; done
  tar -cf - . | tar -tvf - | awk '{print $1, $2, $3, $NF}'
  cat null; echo "cat: $?"; (echo x >null) 2>/dev/null; echo "write: $?"; : >>regular && cat regular
  su www-data -s /bin/sh -c 'stat -c %F null; cat null'; echo "user: $?"
  mkdir /closed; mv again /closed; chmod 700 /closed; su www-data -s /bin/sh -c 'stat /closed/again'; echo "closed: $?"
} >/look 2>&1`;

const DOCKERFILE = `FROM busybox AS made
RUN --mount=target=/context tar -xf /context/nodes.tar && cd /rootfs && ln -s dev/null link && ln dev/null dev/again && mkfifo pipe && touch dev/regular
FROM made AS looked
RUN echo 'www-data:x:33:33::/:/bin/sh' >>/etc/passwd; ${LOOK.replaceAll('\n', '; ').replaceAll('{;', '{').replaceAll('; }', '; }')}
RUN cd /rootfs/dev && chmod 600 null && mv sda sdb && ln sdb sdc && cp -a sdb sdd && chown 5:6 sdd && rm regular && mknod tty c 5 0
FROM busybox AS first
RUN sleep 0.1; for i in $(seq 30); do mknod /n$i c 1 $i; done
FROM busybox AS second
RUN sleep 0.1; for i in $(seq 30); do mknod /n$i b 2 $i; done
FROM scratch AS list
COPY --from=looked /look /
FROM busybox
COPY --from=looked /rootfs /rootfs
COPY --from=first /n* /first/
COPY --from=second /n* /second/
RUN --mount=from=made,target=/m stat -c '%n %F %t,%T' /rootfs/dev/* /m/rootfs/dev/null >/mounted
ADD nodes.tar /added/
RUN stat -c '%n %F %t,%T' /added/rootfs/dev/* >/added/list
`;
const FILES = { Dockerfile: DOCKERFILE, 'nodes.tar': NODES };

describeWhere('device nodes that RUN makes', [root, containers, ordinaryUser], () => {
  it.each(['oci', 'native'])(
    'without root, %s: are those of a build by root, in the image and in later steps',
    async (isolation) => {
      using expected = openRig('root');
      using rig = openRig('ordinary user');
      const wanted = await image(expected, 'oci');
      const found = await image(rig, isolation);
      expect(found.look).toBe(wanted.look);
      expect(found.digest).toBe(wanted.digest);
    },
  );

  it.each([['--isolation=native'], ['--oci-runtime=crun'], ['--oci-runtime=runc']])(
    'are made with %s also for a store whose path is longer than that of a socket',
    async (runtime) => {
      using rig = openRig('ordinary user');
      const context = rig.context({ Dockerfile: 'FROM busybox\nRUN mknod /n c 1 3\nRUN test -c /n\n' });
      await rig.build([runtime, context], { env: { SLIPWAY_ROOT: `${rig.folder}/home/${'long'.repeat(30)}` } });
    },
  );
});

async function image(rig: SlipwayRig, isolation: string): Promise<{ digest: string; look: string }> {
  const context = rig.context(FILES);
  const args = [`--isolation=${isolation}`, '--build-arg', 'SOURCE_DATE_EPOCH=1700000000'];
  const { stdout } = await rig.build([...args, '-q', '-o', `type=oci,dest=${rig.folder}/image.tar`, context]);
  await rig.build([...args, '--target=list', '-o', `type=local,dest=${rig.folder}/out`, context]);
  return { digest: stdout.toString(), look: readFileSync(`${rig.folder}/out/look`, 'utf8') };
}
