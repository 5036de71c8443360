import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ImageManifest } from '../../src/core/descriptor.ts';
import type { ImageConfig } from '../../src/core/image-config.ts';
import { containers, describeWhere, program, root } from '../rig/requirements.ts';
import { runTool } from '../rig/run-tool.ts';
import { openRig, type SlipwayRig } from '../rig/slipway.ts';

const DOCKERFILE = `FROM busybox
COPY . /app/
RUN echo removed >/removed && ln /app/text /app/same
RUN rm /removed && echo 'made by a step' >/made
CMD ["cat", "/made", "/app/text"]
`;
const FILES = {
  Dockerfile: DOCKERFILE,
  text: 'a file of the context\n',
  // Members of both kinds: what compresses, what does not, and more of it than one member has.
  large: Buffer.concat([Buffer.alloc(3_000_000, 'again and again '), randomBytes(3_000_000)]),
};
const SAID = 'made by a step\na file of the context\n';
const NAME = 'slipway-e2e.test/compressed:1';

/** The same bytes each time, in no order that a compressor finds. */
function randomBytes(length: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < length; at += 32) parts.push(createHash('sha256').update(`${at}`).digest());
  return Buffer.concat(parts);
}

const TO_TAR = { gzip: ['gzip', '-dc'], estargz: ['gzip', '-dc'], zstd: ['zstd', '-dcq'] } as const;
const PYTHON = 'import gzip, hashlib, sys; print(hashlib.sha256(gzip.open(sys.argv[1]).read()).hexdigest())';

describeWhere('layers of an image', [root, containers], () => {
  describe.each(['gzip', 'estargz', 'zstd'] as const)('packed with %s', (compression) => {
    let rig: SlipwayRig;
    let archive: string;
    let layout: string;
    let layers: readonly string[];
    let diffIds: readonly string[];
    beforeAll(async () => {
      rig = openRig('root');
      archive = `${rig.folder}/image.tar`;
      layout = `${rig.folder}/layout`;
      // The base's layers are of gzip, and stay so unless told otherwise.
      const output = `type=oci,dest=${archive},compression=${compression},force-compression=true`;
      await rig.build(['-t', NAME, '-o', output, rig.context(FILES)]);
      mkdirSync(layout);
      runTool('tar', '-xf', archive, '-C', layout);
      const read = (digest: string) => JSON.parse(readFileSync(`${layout}/blobs/sha256/${digest.slice(7)}`, 'utf8'));
      const { manifests } = JSON.parse(readFileSync(`${layout}/index.json`, 'utf8')) as {
        manifests: readonly { digest: string }[];
      };
      const manifest = read(manifests[0]?.digest ?? '') as ImageManifest;
      layers = manifest.layers.map(({ digest }) => `${layout}/blobs/sha256/${digest.slice(7)}`);
      diffIds = (read(manifest.config.digest) as ImageConfig).rootfs.diff_ids.map((diffId) => diffId.slice(7));
    });
    afterAll(() => rig[Symbol.dispose]());

    describeWhere('the program of the format', [program('gzip'), program('zstd')], () => {
      it('unpacks each to what the image says', () => {
        const unpack = [...TO_TAR[compression], '"$1"'].join(' ');
        const found = layers.map((layer) => runTool('sh', '-c', `${unpack} | sha256sum`, 'sh', layer).slice(0, 64));
        expect(found).toEqual(diffIds);
      });
    });

    describeWhere('Python', [program('python3')], () => {
      it.skipIf(compression === 'zstd')('unpacks each to what the image says', () => {
        expect(layers.map((layer) => runTool('python3', '-c', PYTHON, layer).trim())).toEqual(diffIds);
      });
    });

    describeWhere('skopeo', [program('skopeo')], () => {
      it('unpacks each to what the image says', () => {
        const copy = `${rig.folder}/copy`;
        runTool('skopeo', 'copy', '--quiet', '--dest-decompress', `oci-archive:${archive}`, `dir:${copy}`);
        expect(readdirSync(copy)).toEqual(expect.arrayContaining([...diffIds]));
      });
    });

    describeWhere('umoci', [program('umoci')], () => {
      it.skipIf(compression === 'zstd')('makes the files of the image', () => {
        const bundle = `${rig.folder}/bundle`;
        runTool('umoci', 'unpack', '--image', `${layout}:1`, bundle);
        const files = `${bundle}/rootfs`;
        expect(readFileSync(`${files}/app/large`).equals(FILES.large)).toBe(true);
        expect(statSync(`${files}/app/same`).ino).toBe(statSync(`${files}/app/text`).ino);
        expect(readdirSync(files).filter((name) => /^(removed|made|stargz\.index\.json|\.no\..*)$/.test(name))).toEqual(
          ['made'],
        );
      });
    });

    describeWhere('podman', [program('podman')], () => {
      it('loads the archive and runs the image', () => {
        const podman = `podman --root ${rig.folder}/podman --runroot ${rig.folder}/podman-run --storage-driver=vfs`;
        const script = `[ ! -d /sys/fs/cgroup/unified ] || mount -t tmpfs none /sys/fs/cgroup
          ${podman} load --quiet --input ${archive} >/dev/null
          ${podman} run --rm --network=none --cgroups=disabled --ulimit=nofile=1024:1024 --ulimit=nproc=1024:1024 \\
            --security-opt=seccomp=unconfined --log-driver=none ${NAME}`;
        expect(runTool('unshare', '--mount', 'sh', '-ec', script)).toBe(SAID);
      });
    });
  });
});
