import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { MEDIA } from '../../src/core/descriptor.ts';
import { startRegistry, type TestRegistry } from '../rig/registry.ts';
import type { Who } from '../rig/slipway.ts';
import { asUser, TEST_USER } from '../rig/users.ts';
import { applyArchive, hostileImage, type Outcome, type Way } from './apply-archive.ts';
import type { ApplicationLine } from './archive-runner.ts';

/** A folder with a store, a registry, and beside them a victim that belongs to whoever builds and that no build may touch or see. */
export interface HostileRig extends AsyncDisposable {
  readonly folder: string;
  readonly store: string;
  readonly victim: string;
  apply(archive: Buffer, way: Way): Promise<Outcome>;
  /** Everything about the victim; equal before and after. */
  victimState(): readonly string[];
}

const SECRET = 'the host has this file';
const RUNNER = fileURLToPath(new URL('archive-runner.ts', import.meta.url));
const REPOSITORY = 'hostile';

export async function openHostileRig(who: Who = 'root'): Promise<HostileRig> {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-hostile-'));
  chmodSync(folder, 0o755);
  const victim = `${folder}/victim`;
  mkdirSync(`${victim}/empty-folder`, { recursive: true });
  writeFileSync(`${victim}/file`, SECRET, { mode: 0o644 });
  writeFileSync(`${victim}/empty-file`, '');
  if (who === 'ordinary user') spawnSync('chown', ['-R', TEST_USER, folder]);
  const registry = await startRegistry();
  const runner = who === 'root' ? undefined : startRunner();
  const store = `${folder}/store`;
  let count = 0;
  return {
    folder,
    store,
    victim,
    apply: (archive, way) => {
      const place = `${folder}/${count++}`;
      const reference = way === 'base layer of a registry' ? push(registry, archive) : undefined;
      const application = { folder: place, way, store, secret: SECRET, reference };
      if (runner === undefined) return applyArchive({ ...application, archive });
      writeFileSync(`${place}.tar`, archive);
      return runner.apply({ ...application, archivePath: `${place}.tar` });
    },
    victimState: () => stateOf(victim),
    [Symbol.asyncDispose]: async () => {
      await runner?.end();
      await registry[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Returns the reference of an image that has the archive as its upper layer. */
function push(registry: TestRegistry, archive: Buffer): string {
  const { manifest, blobs } = hostileImage(archive);
  for (const [digest, bytes] of blobs)
    if (digest === manifest.digest) registry.addManifest(REPOSITORY, bytes, { mediaType: MEDIA.ociManifest });
    else registry.addBlob(REPOSITORY, bytes);
  return `${registry.host}/${REPOSITORY}@${manifest.digest}`;
}

function startRunner() {
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', RUNNER];
  const [program = '', ...args] = asUser(node);
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'], env: { PATH: process.env.PATH } });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = once(child, 'exit');
  return {
    apply: async (line: ApplicationLine): Promise<Outcome> => {
      child.stdin.write(`${JSON.stringify(line)}\n`);
      const { value, done } = await answers.next();
      if (done === true) throw new Error('the builds of the ordinary user ended');
      const answer = JSON.parse(value) as Outcome | { readonly broken: string };
      if ('broken' in answer) throw new Error(answer.broken);
      return answer;
    },
    end: async () => {
      child.stdin.end();
      await ended;
    },
  };
}

function stateOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const { mode, uid, size, nlink, mtimeMs, ctimeMs } = lstatSync(`${folder}/${name}`);
      return [name, mode.toString(8), uid, size, nlink, mtimeMs, ctimeMs].join(' ');
    });
}
