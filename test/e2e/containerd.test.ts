import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { containers, describeWhere, program, root } from '../rig/requirements.ts';
import { runTool } from '../rig/run-tool.ts';
import { openRig, type SlipwayRig } from '../rig/slipway.ts';

const NAME = 'slipway-e2e.test/app:1.0';
const DOCKERFILE = `FROM busybox
COPY --chmod=640 src /src
RUN mkdir /removed && echo gone > /removed/file
RUN rm -r /removed && ln /src/file1 /same && ln -s src/file2 /link
`;
/** Enough for a layer of several members, and of a few that are equal. */
const FILES = Object.fromEntries(
  Array.from({ length: 400 }, (_, index) => [`src/file${index}`, `line ${index} of ${index % 7}\n`.repeat(600)]),
);

/** A containerd of the test's own. */
interface Containerd {
  /** Runs `ctr ARGS` and returns what it prints. */
  ctr(...args: readonly string[]): string;
  stop(): Promise<void>;
}

async function startContainerd(folder: string): Promise<Containerd> {
  mkdirSync(folder);
  const address = `${folder}/socket`;
  const lines = [
    'version = 2',
    `root = "${folder}/root"`,
    `state = "${folder}/state"`,
    'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]',
    `[grpc]\naddress = "${address}"`,
  ];
  writeFileSync(`${folder}/config.toml`, `${lines.join('\n')}\n`);
  const server = spawn('containerd', ['--config', `${folder}/config.toml`], { stdio: ['ignore', 'ignore', 'pipe'] });
  await booted(server);
  return {
    ctr: (...args) => runTool('ctr', '--address', address, '--namespace', 'test', ...args),
    async stop() {
      const ended = once(server, 'exit');
      server.kill();
      await ended;
    },
  };
}

async function booted(server: ChildProcess): Promise<void> {
  let said = '';
  for await (const text of server.stderr?.setEncoding('utf8') ?? []) {
    said += text;
    if (!said.includes('successfully booted')) continue;
    server.stderr?.resume();
    return;
  }
  throw new Error(`containerd did not start:\n${said}`);
}

describeWhere('containerd', [root, containers, program('containerd'), program('ctr')], () => {
  let rig: SlipwayRig;
  let containerd: Containerd;

  beforeAll(async () => {
    rig = openRig('root');
    containerd = await startContainerd(`${rig.folder}/containerd`);
  });
  afterAll(async () => {
    await containerd.stop();
    rig[Symbol.dispose]();
  });

  it.each(['gzip', 'zstd', 'estargz', 'uncompressed'])(
    'imports and unpacks an image with layers in %s',
    async (compression) => {
      const [image, mounted] = [`${rig.folder}/${compression}.tar`, `${rig.folder}/${compression}`];
      const context = rig.context({ Dockerfile: DOCKERFILE, ...FILES });
      await rig.build([
        '-t',
        NAME,
        '--output',
        `type=oci,dest=${image},compression=${compression},force-compression=true`,
        context,
      ]);

      containerd.ctr('images', 'import', '--base-name', 'app', '--digests', image);
      const [reference = ''] = containerd.ctr('images', 'list', '--quiet').trim().split('\n');
      mkdirSync(mounted);
      containerd.ctr('images', 'mount', reference, mounted);
      try {
        expect(readdirSync(`${mounted}/src`)).toHaveLength(400);
        for (const [name, content] of Object.entries(FILES))
          expect(readFileSync(`${mounted}/${name}`, 'utf8')).toBe(content);
        expect(statSync(`${mounted}/src/file3`)).toMatchObject({ mode: 0o100640, uid: 0, gid: 0 });
        expect(statSync(`${mounted}/same`).ino).toBe(statSync(`${mounted}/src/file1`).ino);
        expect(readFileSync(`${mounted}/link`, 'utf8')).toBe(FILES['src/file2']);
        expect(existsSync(`${mounted}/removed`)).toBe(false);
      } finally {
        containerd.ctr('images', 'unmount', '--rm', mounted);
        containerd.ctr('images', 'remove', '--sync', reference);
      }
    },
  );
});
