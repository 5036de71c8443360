import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createContentDigester } from '../../../cache/content-digest.ts';
import { openFileDigests } from '../../../cache/file-digests.ts';
import { openFolderDigests } from '../../../cache/folder-digests.ts';
import type { LayerStack } from '../../../cache/layers/layer-store.ts';
import { openCacheMounts } from '../../../cache/mounts/folder-cache-mounts.ts';
import { openStore, type Store } from '../../../cache/store.ts';
import { createExecOp } from '../../../solver/ops/exec-op.ts';
import type { OpServices } from '../../../solver/ops/services.ts';
import type { OpContext } from '../../../solver/solver.ts';
import { type ExecMount, type ExecOp, type Vertex, vertex } from '../../../solver/vertex.ts';
import { openFolderTree } from '../../../src/context/folder-tree.ts';
import { toBytePath } from '../../../src/core/byte-path.ts';
import { SlipwayError } from '../../../src/core/errors.ts';
import type { ContainerMount, Executor, ProcessSpec, WritableRoot } from '../../../src/core/executor.ts';
import { compileIgnorePatterns } from '../../../src/core/ignore-patterns.ts';
import type { ProgressEvent } from '../../../src/core/progress.ts';
import { addLayer, type LayerRig, openLayerRig } from '../../rig/layers.ts';

let rig: LayerRig;
let store: Store;
let contextFolder: string;
let events: ProgressEvent[];

beforeEach(() => {
  rig = openLayerRig();
  store = openStore(`${rig.folder}/mounts-store`);
  contextFolder = `${rig.folder}/context`;
  mkdirSync(contextFolder);
  events = [];
});

afterEach(() => {
  store[Symbol.dispose]();
  rig[Symbol.dispose]();
});

const EXEC: ExecOp = {
  kind: 'exec',
  root: 0,
  args: ['/bin/sh', '-c', 'make'],
  env: ['PATH=/bin', 'A=1'],
  cwd: '/src',
  user: 'app',
  network: 'sandbox',
  security: 'sandbox',
  mounts: [],
  devices: [],
  unkeyed: { proxyEnv: [], extraHosts: [], ulimits: [] },
  platform: { os: 'linux', architecture: 'amd64' },
};

const BIND = { type: 'bind', target: '/in', input: 1, source: '/', readwrite: false } as const;
const CACHE = {
  type: 'cache',
  target: '/c',
  id: 'npm',
  input: 'scratch',
  source: '/',
  sharing: 'shared',
  readonly: false,
  mode: 0o755,
  uid: 0,
  gid: 0,
} as const;
const SECRET = { type: 'secret', id: 'token', target: '/s', required: true, mode: 0o400, uid: 0, gid: 0 } as const;
const SSH = { type: 'ssh', id: 'default', target: '/agent', required: true, mode: 0o600, uid: 0, gid: 0 } as const;

/** A vertex that stands for an input whose result the test gives. */
const input = (name: string) => vertex({ kind: 'merge' }, [], { name });
const local = vertex({ kind: 'local', name: 'context' }, [], { name: 'context' });

interface Run {
  readonly process: ProcessSpec;
  readonly root: WritableRoot;
  readonly mounts: readonly ContainerMount[];
}

/** An executor that notes what it is asked, and does in the upper folder what `act` says. */
function recorder(act: (run: Run, io: { stdout(data: Uint8Array): void }) => void = () => {}) {
  const runs: Run[] = [];
  const executor: Executor = {
    name: 'recorder',
    run: async (process, root, mounts, io) => {
      runs.push({ process, root, mounts });
      act({ process, root, mounts }, io);
    },
  };
  return { runs, executor };
}

function services(executor: Executor, more: Partial<OpServices> = {}): OpServices {
  return {
    layers: rig.layers,
    content: rig.content,
    digestContent: createContentDigester({
      files: openFileDigests(store.database),
      folders: openFolderDigests(store.database),
    }),
    cacheMounts: openCacheMounts(store),
    downloads: { lookup: () => undefined, save: () => {} },
    fetch,
    git: () => Promise.reject(new Error('no repositories here')),
    executor: async () => executor,
    context: async () => ({
      tree: openFolderTree(toBytePath(contextFolder), compileIgnorePatterns([], '.dockerignore')),
      excludedBy: () => undefined,
      description: 'the build context',
    }),
    blobSource: () => ({ fetch: async () => {} }),
    temporaryPath: () => store.temporaryPath(),
    secret: () => undefined,
    sshAgent: async () => undefined,
    trust: async () => undefined,
    entitlements: [],
    devices: (name) => [{ name, autoAllow: false }],
    ...more,
  };
}

function opContext(): OpContext {
  return {
    signal: new AbortController().signal,
    progress: { emit: (event) => events.push(event) },
    stepId: 'step',
  };
}

function vertexOf(op: ExecOp, inputs: readonly Vertex[] = [input('base'), input('other')]): Vertex {
  return vertex(op, inputs, { name: 'RUN make' });
}

async function run(
  mounts: readonly ExecMount[],
  {
    inputs,
    more,
    act,
  }: {
    inputs?: readonly (LayerStack | 'local')[];
    more?: Partial<OpServices>;
    act?: Parameters<typeof recorder>[0];
  } = {},
) {
  const { runs, executor } = recorder(act);
  const op = { ...EXEC, mounts };
  const vertices = (inputs ?? [[], []]).map((stack, index) => (stack === 'local' ? local : input(String(index))));
  const stack = await createExecOp(op, vertexOf(op, vertices), services(executor, more)).exec(
    inputs ?? [[], []],
    opContext(),
  );
  const [only] = runs;
  if (only === undefined || stack === 'local') throw new Error('nothing ran');
  return { ...only, stack };
}

/** Both keys of an op with these inputs as the solver would find them: the op's digest, and content digests where it reads content. */
async function keyOf(
  op: ExecOp,
  inputs: readonly (LayerStack | 'local')[],
  more: Partial<OpServices> = {},
): Promise<string> {
  const vertices = inputs.map((stack, index) => (stack === 'local' ? local : input(String(index))));
  const map = await createExecOp(op, vertexOf(op, vertices), services(recorder().executor, more)).cacheMap(opContext());
  const ingredients = map.inputs.map(async (key, index) => {
    const stack = inputs[index] ?? [];
    return key.by === 'definition' ? JSON.stringify(stack) : (await key.digest(stack, opContext())).digest;
  });
  return [map.digest, ...(await Promise.all(ingredients))].join(' ');
}

describe('the key of a RUN', () => {
  const mount = (...mounts: ExecMount[]): ExecOp => ({ ...EXEC, mounts });
  const all = ['network.host', 'security.insecure', 'device'];

  it.each<[string, ExecOp, ExecOp]>([
    ['proxies', EXEC, { ...EXEC, unkeyed: { ...EXEC.unkeyed, proxyEnv: ['http_proxy=x'] } }],
    ['extra hosts', EXEC, { ...EXEC, unkeyed: { ...EXEC.unkeyed, extraHosts: [{ host: 'a', ip: '10.0.0.1' }] } }],
    ['limits', EXEC, { ...EXEC, unkeyed: { ...EXEC.unkeyed, resources: { memory: 1 }, shmSizeBytes: 5 } }],
  ])('does not depend on %s', async (_what, a, b) => {
    expect(await keyOf(a, [['aa'] as never])).toBe(await keyOf(b, [['aa'] as never]));
  });

  it.each<[string, ExecOp, ExecOp]>([
    ['the command', EXEC, { ...EXEC, args: ['make'] }],
    ['which cache is mounted', mount(CACHE), mount({ ...CACHE, id: 'pip' })],
    ['how a cache is shared', mount(CACHE), mount({ ...CACHE, sharing: 'locked' })],
    ['the environment', EXEC, { ...EXEC, env: ['PATH=/bin', 'A=2'] }],
    ['the working directory', EXEC, { ...EXEC, cwd: '/' }],
    ['the user', EXEC, { ...EXEC, user: '' }],
    ['the network', EXEC, { ...EXEC, network: 'none' }],
    ['the host network', EXEC, { ...EXEC, network: 'host' }],
    ['the security mode', EXEC, { ...EXEC, security: 'insecure' }],
    ['the platform', EXEC, { ...EXEC, platform: { os: 'linux', architecture: 'arm64' } }],
    ['a variant of the platform', EXEC, { ...EXEC, platform: { ...EXEC.platform, variant: 'v3' } }],
    ['the host name', EXEC, { ...EXEC, hostname: 'h' }],
    ['devices', EXEC, { ...EXEC, devices: [{ name: 'vendor.com/gpu=0', required: true }] }],
    ['that a cache is mounted', EXEC, mount(CACHE)],
    ['where a cache is mounted', mount(CACHE), mount({ ...CACHE, target: '/d' })],
    ['whether a cache may be written', mount(CACHE), mount({ ...CACHE, readonly: true })],
    ['that a secret is mounted', EXEC, mount(SECRET)],
    ['which secret is mounted', mount(SECRET), mount({ ...SECRET, id: 'other' })],
    ['that an agent is mounted', EXEC, mount(SSH)],
    ['a tmpfs', EXEC, mount({ type: 'tmpfs', target: '/t' })],
    [
      'the size of a tmpfs',
      mount({ type: 'tmpfs', target: '/t' }),
      mount({ type: 'tmpfs', target: '/t', sizeBytes: 5 }),
    ],
    ['the order of mounts', mount(CACHE, SECRET), mount(SECRET, CACHE)],
  ])('depends on %s', async (_what, a, b) => {
    const key = (op: ExecOp) => keyOf(op, [['aa'] as never], { entitlements: all });
    expect(await key(a)).not.toBe(await key(b));
  });

  it('depends on the bytes of no secret', async () => {
    const withSecret = (text: string) => keyOf(mount(SECRET), [[]], { secret: () => Buffer.from(text) });
    expect(await withSecret('a')).toBe(await withSecret('b'));
  });

  it('depends on what is mounted from an input, and not on the rest of that input', async () => {
    const op = mount({ ...BIND, source: '/out' });
    const stage = (out: string, rest: string): LayerStack => [
      addLayer(rig.layers, { '/out': { folder: true }, '/out/f': { text: out }, '/rest': { text: rest } }),
    ];
    const key = await keyOf(op, [[], stage('1', '1')]);
    expect(await keyOf(op, [[], stage('1', '2')])).toBe(key);
    expect(await keyOf(op, [[], stage('2', '1')])).not.toBe(key);
  });

  it('depends on what is mounted from a build context', async () => {
    const op = mount({ ...BIND, source: 'package.json' });
    writeFileSync(`${contextFolder}/package.json`, '{}');
    const key = await keyOf(op, [[], 'local']);
    writeFileSync(`${contextFolder}/README.md`, 'text');
    expect(await keyOf(op, [[], 'local'])).toBe(key);
    writeFileSync(`${contextFolder}/package.json`, '[]');
    expect(await keyOf(op, [[], 'local'])).not.toBe(key);
  });

  it('has the root by its definition, even if something is mounted from it too', async () => {
    const op = mount({ ...BIND, input: 0 });
    const map = await createExecOp(op, vertexOf(op), services(recorder().executor)).cacheMap(opContext());
    expect(map.inputs).toEqual([{ by: 'definition' }, { by: 'definition' }]);
  });

  it('says what it is made of', async () => {
    const map = await createExecOp(EXEC, vertexOf(EXEC), services(recorder().executor)).cacheMap(opContext());
    expect(map.parts).toContainEqual({ name: 'command', value: '["/bin/sh","-c","make"]' });
    expect(map.parts).toContainEqual({ name: 'env A', value: '1' });
    expect(map.parts).toContainEqual({ name: 'platform', value: 'linux/amd64' });
  });
});

describe('a RUN', () => {
  it('runs on top of its root, and results in the root and one layer more', async () => {
    const base = [addLayer(rig.layers, { '/etc': { folder: true }, '/etc/os': { text: 'x' } })];
    const { process, root, stack } = await run([], {
      inputs: [base],
      act: ({ root: { upperDir } }) => writeFileSync(`${upperDir}/made`, 'by the process'),
    });
    expect(root.lowerDirs).toHaveLength(1);
    expect(stack.slice(0, 1)).toEqual(base);
    using view = await rig.layers.view(stack, opContext().signal);
    // As in an image of BuildKit: the first RUN leaves the places of the kernel's filesystems.
    expect(view.readdir(toBytePath('/'))).toEqual(['dev', 'etc', 'made', 'proc', 'sys']);
    expect(rig.layers.isDurable(stack.slice(1))).toBe(true);
    expect(process).toMatchObject({ args: EXEC.args, cwd: '/src', user: 'app', hostname: 'buildkitsandbox' });
    expect(process.id).toMatch(/^[a-z0-9]+$/);
  });

  it('gives the process a PATH where the image has none, and proxies last', async () => {
    const { executor, runs } = recorder();
    const op: ExecOp = { ...EXEC, env: ['A=1'], unkeyed: { ...EXEC.unkeyed, proxyEnv: ['http_proxy=p'] } };
    await createExecOp(op, vertexOf(op), services(executor)).exec([[], []], opContext());
    expect(runs[0]?.process.env).toEqual([
      'A=1',
      'http_proxy=p',
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    ]);
  });

  it('passes output on as the step’s, and gives a failure the last lines of it', async () => {
    const failing: Executor = {
      name: 'failing',
      run: async (_process, _root, _mounts, io) => {
        io.stdout(Buffer.from('one\ntw'));
        io.stderr(Buffer.from('o\n'));
        throw new SlipwayError('SLIPWAY_RUN_FAILED', 'make exited with code 2', { exitCode: 2 });
      },
    };
    const failed = createExecOp(EXEC, vertexOf(EXEC), services(failing)).exec([[], []], opContext());
    await expect(failed).rejects.toMatchObject({ exitCode: 2, outputTail: ['one', 'two'] });
    expect(events.map((event) => (event.type === 'step-output' ? `${event.id} ${event.stream}` : event.type))).toEqual([
      'step stdout',
      'step stderr',
    ]);
  });

  it('keeps no layer of a process that failed', async () => {
    const failing: Executor = { name: 'failing', run: () => Promise.reject(new Error('no')) };
    await expect(createExecOp(EXEC, vertexOf(EXEC), services(failing)).exec([[], []], opContext())).rejects.toThrow(
      'no',
    );
    expect(readdirSync(`${rig.folder}/store/layers`)).toEqual([]);
  });
});

describe('what a RUN needs to be allowed', () => {
  it.each<[string, Partial<ExecOp>]>([
    ['network.host', { network: 'host' }],
    ['security.insecure', { security: 'insecure' }],
    ['device=vendor.com/gpu=0', { devices: [{ name: 'vendor.com/gpu=0', required: true }] }],
  ])('is refused without --allow %s, before anything runs', (name, change) => {
    const op = { ...EXEC, ...change };
    const create = (entitlements: readonly string[]) =>
      createExecOp(op, vertexOf(op), services(recorder().executor, { entitlements }));
    expect(() => create(['something.else'])).toThrow(
      expect.objectContaining({
        code: 'SLIPWAY_ENTITLEMENT_MISSING',
        hint: expect.stringContaining(`--allow ${name}`),
      }),
    );
    expect(create([name])).toBeDefined();
  });

  it.each([{ security: 'none' }, { network: '' }, { security: 'toString' }])(
    'is never an unknown mode: %j',
    (change) => {
      const op = { ...EXEC, ...change } as unknown as ExecOp;
      const everything = services(recorder().executor, {
        entitlements: ['network.host', 'security.insecure', 'device'],
      });
      expect(() => createExecOp(op, vertexOf(op), everything)).toThrow('unknown mode');
    },
  );

  it('leaves out a device that the machine lacks and the step can do without', async () => {
    const { executor, runs } = recorder();
    const op = { ...EXEC, devices: [{ name: 'vendor.com/gpu=0', required: false }] };
    const given = services(executor, { devices: () => [] });
    await createExecOp(op, vertexOf(op), given).exec([[], []], opContext());
    expect(runs[0]?.process.devices).toEqual([]);
  });
});

describe('the mounts of a RUN', () => {
  it('show a stage as it is, to read or to write on and forget', async () => {
    const stage = [addLayer(rig.layers, { '/out': { folder: true } })];
    const readwrite = { ...BIND, target: '/rw', readwrite: true };
    const { mounts } = await run([{ ...BIND, source: '/out' }, readwrite], { inputs: [[], stage] });
    expect(mounts).toMatchObject([
      { type: 'stack', target: '/in', path: '/out', access: 'ro' },
      { type: 'stack', target: '/rw', path: '/', access: 'discard' },
    ]);
  });

  it('show of a build context a copy of just what is mounted', async () => {
    mkdirSync(`${contextFolder}/a/b`, { recursive: true });
    writeFileSync(`${contextFolder}/a/b/f`, 'text');
    writeFileSync(`${contextFolder}/a/secret`, 'text');
    let seen = '';
    let names: string[] = [];
    await run([{ ...BIND, source: 'a/b' }], {
      inputs: [[], 'local'],
      act: ({ mounts: [mount] }) => {
        if (mount?.type !== 'stack') throw new Error('no stack');
        const [folder] = mount.stack.lowerDirs;
        seen = readFileSync(`${folder}${mount.path}/f`, 'utf8');
        names = readdirSync(`${folder}/a`);
      },
    });
    expect(seen).toBe('text');
    expect(names).toEqual(['b']);
  });

  it('take the place of a former one with the same target', async () => {
    const mounts = [{ type: 'tmpfs', target: '/a' } as const, { type: 'tmpfs', target: '/b' } as const];
    const { mounts: got } = await run([...mounts, { ...SECRET, target: '/a' }], {
      more: { secret: () => Buffer.from('x') },
    });
    expect(got.map(({ type, target }) => `${type} ${target}`)).toEqual(['secret /a', 'tmpfs /b']);
  });

  it('find their source within the input, whatever its symlinks say', async () => {
    const stage = [
      addLayer(rig.layers, {
        '/real': { folder: true },
        '/up': { symlink: '../../../real' },
        '/abs': { symlink: '/real' },
      }),
    ];
    for (const source of ['/up', '/abs', '/../../real', '/abs/../up']) {
      const { mounts } = await run([{ ...BIND, source }], { inputs: [[], stage] });
      expect(mounts[0]).toMatchObject({ path: '/real' });
    }
  });

  it('are refused where the source is not there', async () => {
    await expect(run([{ ...BIND, source: '/nowhere' }])).rejects.toThrow('"/nowhere": not found');
    await expect(run([{ ...BIND, source: 'nowhere' }], { inputs: [[], 'local'] })).rejects.toThrow('the build context');
  });

  it('give a cache a folder of the store, one for a cache that is mounted twice, locked in one order by all', async () => {
    const locked = { ...CACHE, sharing: 'locked' } as const;
    const order: string[] = [];
    const cacheMounts = openCacheMounts(store);
    const noting: OpServices['cacheMounts'] = {
      acquire: (request, signal) => {
        order.push(request.id);
        return cacheMounts.acquire(request, signal);
      },
      empty: (id) => cacheMounts.empty(id),
    };
    const { mounts } = await run(
      [
        { ...locked, id: 'b' },
        { ...locked, id: 'a', target: '/d' },
        { ...locked, id: 'b', target: '/e', readonly: true },
      ],
      { more: { cacheMounts: noting } },
    );
    expect(order).toEqual(['a', 'b']);
    expect(mounts.map((mount) => (mount.type === 'host' ? `${mount.target} ${mount.access}` : mount.type))).toEqual([
      '/c rw',
      '/d rw',
      '/e ro',
    ]);
    const [first, , third] = mounts;
    expect(first?.type === 'host' && third?.type === 'host' && first.source === third.source).toBe(true);
    using again = await cacheMounts.acquire(
      { id: 'a', sharing: 'locked', mode: 0o755, uid: 0, gid: 0 },
      AbortSignal.timeout(1000),
    );
    expect(again.path).toContain('/mounts/');
  });

  it('start a cache with the files of another stage', async () => {
    const stage = [addLayer(rig.layers, { '/seed': { folder: true }, '/seed/f': { text: 'seeded' } })];
    let names: string[] = [];
    await run([{ ...CACHE, input: 1, source: '/seed' }], {
      inputs: [[], stage],
      act: ({ mounts: [mount] }) => {
        if (mount?.type === 'host') names = readdirSync(mount.source);
      },
    });
    expect(names).toEqual(['f']);
  });

  it('bring secrets as files, as variables, or as both', async () => {
    const secret = (id: string) => (id === 'token' ? Buffer.from('hunter2') : undefined);
    const { target: _target, ...noTarget } = SECRET;
    const { mounts, process } = await run(
      [SECRET, { ...noTarget, env: 'TOKEN' }, { ...SECRET, id: 'x', required: false }],
      {
        more: { secret },
      },
    );
    expect(mounts).toEqual([
      { type: 'secret', target: '/s', data: Buffer.from('hunter2'), uid: 0, gid: 0, mode: 0o400 },
    ]);
    expect(process.env).toContain('TOKEN=hunter2');
  });

  it('say how to give a secret or an agent that is required', async () => {
    await expect(run([SECRET])).rejects.toMatchObject({
      code: 'SLIPWAY_SECRET_MISSING',
      hint: expect.stringContaining('--secret id=token'),
    });
    await expect(run([SSH])).rejects.toMatchObject({ code: 'SLIPWAY_SSH_MISSING' });
    await expect(run([SECRET], { more: { secret: () => Buffer.alloc(600 * 1024) } })).rejects.toMatchObject({
      code: 'SLIPWAY_SECRET_TOO_LARGE',
    });
  });

  it('bring an agent’s socket for as long as the process runs', async () => {
    let closed = false;
    let closedWhileRunning = true;
    const agent = {
      socket: '/run/agent',
      [Symbol.asyncDispose]: async () => {
        closed = true;
      },
    };
    const { mounts, process } = await run([SSH], {
      more: { sshAgent: async () => agent },
      act: () => {
        closedWhileRunning = closed;
      },
    });
    expect(mounts).toEqual([{ type: 'socket', target: '/agent', source: '/run/agent', uid: 0, gid: 0, mode: 0o600 }]);
    expect(process.env).toContain('SSH_AUTH_SOCK=/agent');
    expect([closedWhileRunning, closed]).toEqual([false, true]);
  });
});
