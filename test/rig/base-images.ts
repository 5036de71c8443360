import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { MEDIA } from '../../src/core/descriptor.ts';
import { makeImage, type TestFile, type TestImage, writeLayout } from './image.ts';
import { isRoot } from './users.ts';

const BUSYBOX = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path));

/** An image laid out as docker's busybox is, of the busybox of this machine. */
export function busyboxImage(program: string): TestImage {
  const applets = spawnSync(program, ['--list'], { encoding: 'utf8' }).stdout.split('\n');
  const folders = ['bin/', 'dev/', 'etc/', 'home/', 'tmp/', 'root/', 'usr/', 'usr/bin/', 'var/'];
  const modes: Record<string, number> = { 'tmp/': 0o1777, 'root/': 0o700 };
  const files: TestFile[] = [
    ...folders.map((path) => ({ path, mode: modes[path] ?? 0o755 })),
    { path: 'bin/busybox', bytes: readFileSync(program), mode: 0o755 },
    ...applets
      .filter((name) => /^[^b/]|^b(?!usybox)/.test(name))
      .map((name) => ({ path: `bin/${name}`, link: 'busybox' })),
    { path: 'etc/passwd', text: 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n' },
    { path: 'etc/group', text: 'root:x:0:\nwheel:x:10:root\nnogroup:x:65534:\n' },
  ];
  const config = { Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'], Cmd: ['sh'] };
  return makeImage({ layers: [files], config });
}

/** Writes an OCI layout with the busybox image into a folder and returns the folder; nothing where busybox-static is missing. */
export function makeBusyboxLayout(folder: string): string {
  if (BUSYBOX === undefined) return '';
  const image = busyboxImage(BUSYBOX);
  writeLayout(folder, { manifests: [image.manifest], images: [image] });
  return folder;
}

/**
 * An OCI layout with debian:bookworm, made from Debian's packages by debootstrap (about a minute) and kept in $SLIPWAY_TEST_CACHE
 * (default /var/cache/slipway-tests). Nothing where it is not there and this machine or user cannot make it.
 */
export function makeDebianLayout(): string {
  const cache = process.env.SLIPWAY_TEST_CACHE || '/var/cache/slipway-tests';
  const layout = `${cache}/debian-bookworm`;
  if (existsSync(`${layout}/index.json`)) return layout;
  if (!isRoot() || spawnSync('debootstrap', ['--version']).error !== undefined) return '';
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(`${cache}/making-`);
  try {
    console.warn(`making debian:bookworm with debootstrap in ${cache}: about a minute, once`);
    checked('debootstrap', ['--variant=minbase', 'bookworm', `${work}/root`]);
    const leftOut = ['./dev/*', './var/cache/apt/archives/*.deb', './var/lib/apt/lists/*'].flatMap((path) => [
      '--exclude',
      path,
    ]);
    checked('tar', [
      '-C',
      `${work}/root`,
      ...leftOut,
      '--sort=name',
      '--numeric-owner',
      '-I',
      'gzip -1',
      '-cf',
      `${work}/layer`,
      '.',
    ]);
    writeLayerLayout(`${work}/layer`, `${work}/layout`);
    renameSync(`${work}/layout`, layout);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return layout;
}

/** The layout of an image of one gzipped layer, which is moved into it. */
function writeLayerLayout(layer: string, folder: string): void {
  const bytes = readFileSync(layer);
  const sha256 = (data: Uint8Array) => `sha256:${createHash('sha256').update(data).digest('hex')}`;
  const blobs = `${folder}/blobs/sha256`;
  mkdirSync(blobs, { recursive: true });
  const put = (data: Buffer, mediaType: string) => {
    const digest = sha256(data);
    writeFileSync(`${blobs}/${digest.slice('sha256:'.length)}`, data);
    return { mediaType, digest, size: data.length };
  };
  const config = {
    os: 'linux',
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    config: { Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'], Cmd: ['bash'] },
    rootfs: { type: 'layers', diff_ids: [sha256(gunzipSync(bytes))] },
    history: [{ created: statSync(layer).mtime.toISOString(), created_by: 'debootstrap' }],
  };
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA.ociManifest,
    config: put(Buffer.from(JSON.stringify(config)), MEDIA.ociConfig),
    layers: [put(bytes, MEDIA.ociLayerGzip)],
  };
  const manifests = [put(Buffer.from(JSON.stringify(manifest)), MEDIA.ociManifest)];
  writeFileSync(`${folder}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(`${folder}/index.json`, JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests }));
}

function checked(program: string, args: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  if (status !== 0) throw new Error(`${program} ended with ${status}:\n${(stdout + stderr).slice(-2000)}`);
}
