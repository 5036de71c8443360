import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openContentStore } from '../../../cache/content/file-content-store.ts';
import { openGitRepositories } from '../../../cache/git/open-git-repositories.ts';
import { createLayerStore } from '../../../cache/layers/create-layer-store.ts';
import type { LayerStack } from '../../../cache/layers/layer-store.ts';
import { openLeases } from '../../../cache/leases.ts';
import { openStore, type Store } from '../../../cache/store.ts';
import { createGitOp } from '../../../solver/ops/git-op.ts';
import type { OpServices } from '../../../solver/ops/services.ts';
import type { OpContext } from '../../../solver/solver.ts';
import type { GitOp } from '../../../solver/vertex.ts';
import { toBytePath } from '../../../src/core/byte-path.ts';
import { silentProgress } from '../../../src/core/progress.ts';
import { type GitServer, startGitServer, type TestRepository } from '../../rig/git-server.ts';
import { temporaryFolder } from '../../rig/temporary-folder.ts';

const CONTEXT: OpContext = { signal: new AbortController().signal, progress: silentProgress, stepId: '1' };

let server: GitServer;
let repository: TestRepository;
let store: Store;

beforeEach(async () => {
  server = await startGitServer();
  repository = server.repository('app');
  store = openStore(temporaryFolder('git-op'));
});

afterEach(async () => {
  store[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
});

/** A new build's op: its key, and the layer that it makes. */
function gitOp(changes: Partial<GitOp> = {}, environment: { readonly PATH?: string; readonly socket?: string } = {}) {
  const leases = openLeases(store.database);
  const layers = createLayerStore({ store, content: openContentStore(store), leases });
  const { PATH = process.env.PATH, socket } = environment;
  const git = openGitRepositories({
    store,
    leases,
    env: { PATH },
    secret: () => undefined,
    sshAgent: async () => (socket === undefined ? undefined : { socket, [Symbol.asyncDispose]: async () => {} }),
  });
  const services = { layers, git: async () => git } as unknown as OpServices;
  const definition = { url: repository.url, keepGitDir: false, submodules: true, ...changes };
  const op = createGitOp({ kind: 'git', ...definition }, services);
  return {
    layers,
    keyOf: async () => (await op.cacheMap(CONTEXT)).digest,
    partsOf: async () => (await op.cacheMap(CONTEXT)).parts,
    run: async () => (await op.exec([], CONTEXT)) as LayerStack,
  };
}

test('a checkout is a layer that outlives the process, with the files owned by root', async () => {
  repository.commit({ 'd/f': 'text' });
  const op = gitOp();
  const stack = await op.run();
  expect(op.layers.isDurable(stack)).toBe(true);
  using tree = await op.layers.view(stack, CONTEXT.signal);
  expect(tree.readdir(toBytePath('/'))).toEqual(['d']);
  expect(tree.lstat(toBytePath('/d/f'))).toMatchObject({ mode: 0o644, uid: 0, gid: 0, size: 4 });
});

test('the key is that of the commit: of whatever it was asked by, and nothing of where it came from', async () => {
  const commit = repository.commit({ a: '1' });
  repository.git('tag', '-a', '-m', 'tag', 'v1');
  repository.git('push', '-q', 'origin', 'v1');
  const keys = await Promise.all([{}, { ref: 'main' }, { ref: 'v1' }, { ref: commit }].map((op) => gitOp(op).keyOf()));
  expect(new Set(keys).size).toBe(1);
  const others = [{ keepGitDir: true }, { subdir: 'a' }, { submodules: false }, { mtime: 'commit' } as const];
  const otherKeys = await Promise.all(others.map((op) => gitOp(op).keyOf()));
  expect(new Set([...keys, ...otherKeys]).size).toBe(5);
  repository.commit({ a: '2' });
  expect(await gitOp().keyOf()).not.toBe(keys[0]);
  expect(await gitOp({ ref: commit }).keyOf()).toBe(keys[0]);
});

test('where .git is kept, its refs are part of the key', async () => {
  const commit = repository.commit({ a: '1' });
  const [byBranch, byCommit] = [{ ref: 'main' }, { ref: commit }].map((op) =>
    gitOp({ ...op, keepGitDir: true }).keyOf(),
  );
  expect(await byBranch).not.toBe(await byCommit);
});

test('a pinned commit is fetched as such, whatever its ref has become', async () => {
  const commit = repository.commit({ a: '1' });
  repository.commit({ a: '2' });
  const op = gitOp({ ref: 'main', checksum: commit, fetchByCommit: true });
  expect(await op.partsOf()).toContainEqual({ name: 'commit', value: commit });
  using tree = await op.layers.view(await op.run(), CONTEXT.signal);
  expect(readFileSync(tree.contentPath(toBytePath('/a')), 'utf8')).toBe('1');
  await expect(gitOp({ ref: 'main', checksum: commit.slice(0, 8), fetchByCommit: true }).keyOf()).rejects.toMatchObject(
    {
      code: 'SLIPWAY_CHECKSUM_INVALID',
    },
  );
});

test('over ssh, the agent that was lent is used and no key of the machine; new hosts are remembered in the store', async () => {
  repository.commit({ a: '1' });
  const bin = temporaryFolder('ssh');
  writeFileSync(
    join(bin, 'ssh'),
    `#!/bin/sh\nprintf '%s\\n' "$SSH_AUTH_SOCK" "$@" > ${bin}/args\nexec git-upload-pack ${repository.bare}\n`,
  );
  chmodSync(join(bin, 'ssh'), 0o755);
  const environment = { PATH: `${bin}:${process.env.PATH}`, socket: '/lent.sock' };
  const op = gitOp({ url: 'git@example.com:app.git' }, environment);
  expect(op.layers.isDurable(await op.run())).toBe(true);
  expect(readFileSync(join(bin, 'args'), 'utf8').split('\n')).toEqual(
    expect.arrayContaining([
      '/lent.sock',
      '/dev/null',
      'IdentityFile=none',
      'BatchMode=yes',
      `UserKnownHostsFile="${store.root}/git/known_hosts"`,
      'git@example.com',
    ]),
  );
});

test('without git on the machine, the error says so', async () => {
  const empty = temporaryFolder('no-git');
  expect(existsSync(join(empty, 'git'))).toBe(false);
  await expect(gitOp({}, { PATH: empty }).keyOf()).rejects.toMatchObject({ code: 'SLIPWAY_GIT_MISSING' });
});
