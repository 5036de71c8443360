import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import { validateImage } from '../../src/image/validate.ts';
import { archiveOf, item } from '../cache/tar/archives.ts';
import { containers, describeWhere, root } from '../rig/requirements.ts';
import { baseImages, openRig, type SlipwayRig } from '../rig/slipway.ts';

const MEGABYTE = 1024 * 1024;
const noise = randomBytes(12 * MEGABYTE);

describeWhere('a disk that fills up', [root, containers], () => {
  let rig: SlipwayRig;
  beforeEach(() => {
    rig = openRig('root');
  });
  afterEach(() => rig[Symbol.dispose]());

  /**
   * Builds with a store of 8 MB in a mount namespace of its own, then gives it room and builds the same again. Returns what both said, and
   * what was left between them in the places for what is not finished.
   */
  function buildTwice(context: string, image = `${rig.folder}/image.tar`) {
    const { node, program } = inject('slipway');
    const build = [
      node,
      program,
      'build',
      '--progress=plain',
      ...baseImages(),
      '-o',
      `type=oci,dest=${image}`,
      context,
    ];
    const script = `
      mount -t tmpfs -o size=8m none "$1"; shift
      "$@"; echo "first ended with $?"
      find "$SLIPWAY_ROOT/tmp" -mindepth 2 | sed 's/^/left over: /'
      ls "${image}" 2>/dev/null | sed 's/^/half written: /'
      mount -o remount,size=200m "$SLIPWAY_ROOT"
      "$@"; echo "second ended with $?"`;
    spawnSync('mkdir', ['-p', rig.store]);
    const args = ['--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', rig.store, ...build];
    const { stdout, stderr } = spawnSync('unshare', args, {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, HOME: `${rig.folder}/home`, SLIPWAY_ROOT: rig.store },
    });
    return { said: stderr, ends: stdout.trim().split('\n'), image };
  }

  it.each([
    ['unpacking an archive', 'FROM scratch\nADD noise.tar /\n', /SLIPWAY_DISK_FULL/],
    ['writing files for a RUN', 'FROM busybox\nCOPY noise /\nRUN true\n', /SLIPWAY_DISK_FULL/],
    [
      'a RUN itself',
      'FROM busybox\nCOPY small /\nRUN dd if=/dev/urandom of=/file bs=1000000 count=12\n',
      /No space left on device/,
    ],
    ['compressing', 'FROM scratch\nCOPY noise /\n', /SLIPWAY_DISK_FULL/],
  ])(
    'in %s is said clearly, leaves nothing half written, and hurts no later build',
    async (_when, dockerfile, says) => {
      const tar = archiveOf([item({ path: 'noise' }, noise.toString('latin1'))]);
      const context = rig.context({ Dockerfile: dockerfile, noise, 'noise.tar': tar, small: 'text' });
      const { said, ends, image } = buildTwice(context);
      expect(said).toMatch(says);
      if (says.source.includes('FULL')) expect(said).toMatch(/the store \S+ has [\d.]+[kM]?B free of 8.39MB/);
      expect(said).not.toContain('fault in slipway');
      expect(ends).toEqual(['first ended with 1', 'second ended with 0']);
      expect(existsSync(image)).toBe(true);
      expect(await validateImage(image)).toEqual([]);
    },
  );
});
