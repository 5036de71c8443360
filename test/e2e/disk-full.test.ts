import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
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
    spawnSync('mkdir', ['-p', rig.store]);
    const { said, ends } = runOnDisk(
      rig.store,
      `slipway_build -o type=oci,dest=${image} ${context}; echo "first ended with $?"
      find "$SLIPWAY_ROOT/tmp" -mindepth 2 | sed 's/^/left over: /'
      ls "${image}" 2>/dev/null | sed 's/^/half written: /'
      make_room
      slipway_build -o type=oci,dest=${image} ${context}; echo "second ended with $?"`,
    );
    return { said, ends, image };
  }

  /** Runs a script for which `disk` is a disk of 8 MB until it calls `make_room`; `slipway_build ARGS` builds. */
  function runOnDisk(disk: string, script: string) {
    const { node, program } = inject('slipway');
    const whole = `
      disk=$1; shift
      slipway_build() { ${node} ${program} build --progress=plain ${baseImages().join(' ')} "$@"; }
      make_room() { mount -o remount,size=200m "$disk"; }
      mount -t tmpfs -o size=8m none "$disk"
      ${script}`;
    const args = ['--mount', '--propagation', 'private', 'sh', '-c', whole, 'sh', disk];
    const { stdout, stderr } = spawnSync('unshare', args, {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, HOME: `${rig.folder}/home`, SLIPWAY_ROOT: rig.store },
    });
    return { said: stderr, ends: stdout.trim().split('\n') };
  }

  it.each([
    ['unpacking an archive', 'FROM scratch\nADD noise.tar /\n', /SLIPWAY_DISK_FULL/],
    ['writing files for a RUN', 'FROM busybox\nCOPY noise /\nRUN true\n', /SLIPWAY_DISK_FULL/],
    [
      'a RUN itself',
      'FROM busybox\nCOPY small /\nRUN dd if=/dev/urandom of=/file bs=1000000 count=12\n',
      /No space left on device[\s\S]*exited with code 1; the disk of the store is full: it has [\d.]+k?B free of 8.39MB/,
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

  describe('below an output', () => {
    const disk = () => {
      const folder = `${rig.folder}/disk`;
      mkdirSync(folder);
      return folder;
    };
    const FULL = /SLIPWAY_DISK_FULL/;
    const SPACE = /cannot write \S+\/disk\S*: no space left on its disk, which has [\d.]+[kM]?B free of 8.39MB/;

    it.each([
      ['an OCI archive', 'type=oci,dest=$disk/out', '$disk/out'],
      ['a docker archive', 'type=docker,dest=$disk/out', '$disk/out'],
      ['an archive of files', 'type=tar,dest=$disk/out', '$disk/out'],
      ['an OCI layout', 'type=oci,tar=false,dest=$disk', '$disk/index.json'],
    ])('leaves nothing of %s, or the one before, and can be done once there is room', (_what, output, made) => {
      const context = rig.context({ Dockerfile: 'FROM scratch\nCOPY noise /\n', noise });
      const old = rig.context({ Dockerfile: 'FROM scratch\nCOPY small /\n', small: 'text' });
      const { said, ends } = runOnDisk(
        disk(),
        `slipway_build -o ${output} ${old}; cp ${made} ${rig.folder}/before
        slipway_build -o ${output} ${context}; echo "ended with $?"
        cmp ${made} ${rig.folder}/before && echo as before
        find $disk -name '.*.tmp'
        make_room
        slipway_build -o ${output} ${context}; echo "ended with $?"
        cmp -s ${made} ${rig.folder}/before || echo new`,
      );
      expect(said).toMatch(FULL);
      expect(said).toMatch(SPACE);
      expect(ends).toEqual(['ended with 1', 'as before', 'ended with 0', 'new']);
    });

    it('leaves no half file in a folder of files, which is whole once there is room', () => {
      const context = rig.context({ Dockerfile: 'FROM scratch\nCOPY . /\n', a: 'first', noise, z: 'last' });
      const { said, ends } = runOnDisk(
        disk(),
        `slipway_build -o type=local,dest=$disk/out ${context}; echo "ended with $?"
        ls -A $disk/out
        make_room
        slipway_build -o type=local,dest=$disk/out ${context}; echo "ended with $?"
        cmp $disk/out/noise ${context}/noise && ls -A $disk/out`,
      );
      expect(said).toMatch(SPACE);
      expect(ends).toEqual(['ended with 1', 'Dockerfile', 'a', 'ended with 0', 'Dockerfile', 'a', 'noise', 'z']);
    });

    it('is said where standard output goes there, as is that nobody reads it', () => {
      const context = rig.context({ Dockerfile: 'FROM scratch\nCOPY noise /\n', noise });
      const { said, ends } = runOnDisk(
        disk(),
        `slipway_build -o type=tar ${context} >$disk/out; echo "ended with $?"
        make_room
        slipway_build -o type=tar ${context} >$disk/out; echo "ended with $?"
        tar -xOf $disk/out noise | cmp - ${context}/noise && echo whole
        exec 3>&1
        { slipway_build -o type=tar ${context}; echo "ended with $?" >&3; } | head -c 10 >/dev/null`,
      );
      expect(said).toMatch(/cannot write standard output: no space left on its disk[\s\S]*SLIPWAY_DISK_FULL/);
      expect(said).toMatch(
        /standard output was closed before everything was written to it[\s\S]*SLIPWAY_OUTPUT_CLOSED/,
      );
      expect(ends).toEqual(['ended with 1', 'ended with 0', 'whole', 'ended with 1']);
    });

    it.each(['--iidfile', '--metadata-file'])('keeps the former file of %s', (option) => {
      const context = rig.context({ Dockerfile: 'FROM scratch\nCOPY small /\n', small: 'text' });
      const { said, ends } = runOnDisk(
        disk(),
        `echo former >$disk/file; dd if=/dev/zero of=$disk/large 2>/dev/null
        slipway_build ${option} $disk/file ${context}; echo "ended with $?"
        cat $disk/file; ls -A $disk; make_room
        slipway_build ${option} $disk/file ${context}; echo "ended with $?"
        grep -c sha256: $disk/file | sed 's/[1-9]/digests/'`,
      );
      expect(said).toMatch(SPACE);
      expect(ends).toEqual(['ended with 1', 'former', 'file', 'large', 'ended with 0', 'digests']);
    });
  });
});
