import { chmodSync, readFileSync, renameSync, utimesSync, writeFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { afterEach, expect, inject, it } from 'vitest';
import type { ImageManifest } from '../../src/core/descriptor.ts';
import { digestOf } from '../../src/core/digest.ts';
import { archiveOf, item, readArchive } from '../cache/tar/archives.ts';
import { containers, describeWhere, ordinaryUser, root } from '../rig/requirements.ts';
import { runTool } from '../rig/run-tool.ts';
import { openRig, type SlipwayRig, type Who } from '../rig/slipway.ts';

const EPOCH = 1_700_000_000;
const FILES = {
  Dockerfile: [
    'FROM busybox',
    'COPY . /app/',
    'ADD packed.tar /packed/',
    'WORKDIR /made/by/workdir',
    'RUN mkdir -p /x/y && echo z >/x/y/z && ln -s z /x/y/l && ln /x/y/z /x/hard && chmod 640 /x/y/z',
    'RUN rm -rf /app/sub && touch -d @100 /x/old',
  ].join('\n'),
  'packed.tar': archiveOf([
    item({ path: 'old', mtime: 1000 }, 'old'),
    item({ path: 'new', mtime: EPOCH + 1000 }, 'new'),
  ]),
  'sub/a': 'a',
  '\u00e4\u0131': 'a name whose case depends on the locale',
  large: 'x'.repeat(3_000_000),
};

/** What must not make a difference. */
interface Machine {
  readonly who: Who;
  readonly isolation: 'oci' | 'native' | 'chroot';
  readonly folder: string;
  readonly umask: number;
  readonly touched: number;
  readonly env: Readonly<Record<string, string>>;
  /** Whether the processes see one core only. */
  readonly isOneCore: boolean;
  /** By how much the machine's clock is ahead, for slipway. */
  readonly daysAhead: number;
}

const FIRST: Machine = {
  who: 'root',
  isolation: 'oci',
  folder: 'here',
  umask: 0o022,
  touched: EPOCH + 50,
  env: { TZ: 'UTC', LANG: 'C', UV_THREADPOOL_SIZE: '4' },
  isOneCore: false,
  daysAhead: 0,
};
const MACHINES: readonly Machine[] = [
  FIRST,
  {
    who: 'root',
    isolation: 'native',
    folder: 'a different folder',
    umask: 0o077,
    touched: EPOCH + 9_999,
    env: { TZ: 'Pacific/Kiritimati', LC_ALL: 'tr_TR.UTF-8', UV_THREADPOOL_SIZE: '1' },
    isOneCore: true,
    daysAhead: 400,
  },
  {
    who: 'ordinary user',
    isolation: 'oci',
    folder: 'elsewhere',
    umask: 0o027,
    touched: EPOCH + 12_345,
    env: { TZ: 'America/St_Johns', LC_ALL: 'ja_JP.UTF-8', UV_THREADPOOL_SIZE: '13' },
    isOneCore: false,
    daysAhead: 0,
  },
  {
    who: 'ordinary user',
    isolation: 'native',
    folder: 'x',
    umask: 0o002,
    touched: EPOCH + 1,
    env: { TZ: 'Asia/Kathmandu', UV_THREADPOOL_SIZE: '8' },
    isOneCore: true,
    daysAhead: 10_000,
  },
  {
    ...FIRST,
    isolation: 'chroot',
    folder: 'chroot',
    umask: 0o007,
    env: { UV_THREADPOOL_SIZE: '8' },
    daysAhead: 3,
  },
];

/** A module that sets the clock of a program of Node. */
const CLOCK = `
const ahead = Number(process.env.TEST_DAYS_AHEAD) * 86_400_000;
const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(RealDate.now() + ahead);
    else super(...args);
  }
  static now() {
    return RealDate.now() + ahead;
  }
};`;

describeWhere('a build with SOURCE_DATE_EPOCH', [root, ordinaryUser, containers], () => {
  const rigs: SlipwayRig[] = [];
  afterEach(() => {
    for (const rig of rigs.splice(0)) rig[Symbol.dispose]();
  });

  async function buildOn(machine: Machine, options: readonly string[]): Promise<Buffer> {
    const { who, isolation, folder, umask, touched, isOneCore, daysAhead } = machine;
    const rig = openRig(who);
    rigs.push(rig);
    const made = rig.context(FILES);
    for (const name of Object.keys(FILES)) {
      chmodSync(`${made}/${name}`, 0o644);
      utimesSync(`${made}/${name}`, touched, touched);
    }
    chmodSync(`${made}/sub`, 0o755);
    const context = `${rig.folder}/${folder}`;
    renameSync(made, context);
    writeFileSync(`${rig.folder}/clock.cjs`, CLOCK);
    const env = { ...machine.env, TEST_DAYS_AHEAD: `${daysAhead}`, NODE_OPTIONS: `--require=${rig.folder}/clock.cjs` };
    const under = isOneCore ? { under: ['taskset', '--cpu-list', '0'] } : {};
    const before = process.umask(umask);
    try {
      const args = [
        `--isolation=${isolation}`,
        '--build-arg',
        `SOURCE_DATE_EPOCH=${EPOCH}`,
        '-o',
        `type=oci,dest=${rig.folder}/image.tar${options.join('')}`,
      ];
      await rig.build([...args, context], { env, ...under });
    } finally {
      process.umask(before);
    }
    return readFileSync(`${rig.folder}/image.tar`);
  }

  it.each([
    [''],
    [',compression=zstd'],
    [',compression=estargz'],
    [',compression=gzip,compression-level=9,force-compression=true'],
  ])('gives one image on every machine, whoever builds (%s)', async (options) => {
    const images = [];
    for (const machine of MACHINES) images.push(digestOf(await buildOn(machine, [options])));
    expect(new Set(images).size).toBe(1);
  });

  it('leaves base layers alone, and makes nothing in new ones later than that time', async () => {
    await buildOn(FIRST, []);
    const layout = `${rigs[0]?.folder}/layout`;
    runTool('mkdir', layout);
    runTool('tar', '-xf', `${rigs[0]?.folder}/image.tar`, '-C', layout);
    const layers = layersOf(layout);
    const base = layersOf(inject('busybox'));
    expect(layers.slice(0, base.length)).toEqual(base);
    for (const digest of layers.slice(base.length)) {
      const tar = gunzipSync(readFileSync(`${layout}/blobs/sha256/${digest}`));
      const times = readArchive(tar).map(({ mtime }) => mtime);
      expect(Math.max(...times)).toBeLessThanOrEqual(EPOCH);
    }
  });
});

/** Hex digests of the layers of the one image of a layout. */
function layersOf(layout: string): string[] {
  const read = (path: string) => JSON.parse(readFileSync(`${layout}/${path}`, 'utf8'));
  const { manifests } = read('index.json') as { manifests: readonly { digest: string }[] };
  const manifest = read(`blobs/sha256/${manifests[0]?.digest.slice(7)}`) as ImageManifest;
  return manifest.layers.map(({ digest }) => digest.slice(7));
}
