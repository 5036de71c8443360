import { randomBytes } from 'node:crypto';
import type { ContentStore } from '../cache/content/content-store.ts';
import { openContentStore } from '../cache/content/file-content-store.ts';
import { createContentDigester } from '../cache/content-digest.ts';
import { openDownloadStore } from '../cache/downloads/download-store.ts';
import type { FailedStep } from '../cache/failed-steps/failed-step-store.ts';
import { openFailedSteps } from '../cache/failed-steps/sqlite-failed-step-store.ts';
import { openFileDigests } from '../cache/file-digests.ts';
import { openFolderDigests } from '../cache/folder-digests.ts';
import type { GitRepositories } from '../cache/git/git-source.ts';
import { openImageStore } from '../cache/images/image-store.ts';
import { createLayerStore } from '../cache/layers/create-layer-store.ts';
import type { LayerStore } from '../cache/layers/layer-store.ts';
import { type Leases, openLeases } from '../cache/leases.ts';
import { openCacheMounts } from '../cache/mounts/folder-cache-mounts.ts';
import type { RecordStore } from '../cache/records/record-store.ts';
import { openRecordStore } from '../cache/records/sqlite-record-store.ts';
import { openStore, type Store } from '../cache/store.ts';
import { emptyRenewedCaches } from '../solver/ops/exec/empty-caches.ts';
import { createOpResolver } from '../solver/ops/op-resolver.ts';
import type { ContextFiles, TrustedCertificates } from '../solver/ops/services.ts';
import type { OpResolver } from '../solver/solver.ts';
import type { Vertex } from '../solver/vertex.ts';
import type { BuildRequest } from './build-request.ts';
import type { BuildContext, ContextServices } from './context/build-context.ts';
import { SlipwayError } from './core/errors.ts';
import type { Executor, LendTerminal } from './core/executor.ts';
import type { Fetch } from './core/fetch-url.ts';
import type { ProgressSink } from './core/progress.ts';
import { machineDevices } from './executor/devices/step-devices.ts';
import type { ExecutorChoice } from './executor/select-executor.ts';
import { createExporter } from './export/create-exporter.ts';
import type { Exporter } from './export/exporter.ts';
import type { OutputSpec } from './export/output-spec.ts';
import { createImageSources, type ImageSources } from './image/image-sources.ts';
import { createPushImage } from './image/push-built-image.ts';
import type { RegistryClient } from './registry/registry-client.ts';
import { readSecret } from './secrets.ts';
import { sshAgentOf } from './ssh-agents.ts';

/** What an engine is opened for. */
export interface EngineOptions {
  readonly request: BuildRequest;
  readonly progress: ProgressSink;
  readonly signal: AbortSignal;
  readonly stdout: NodeJS.WritableStream;
  /** See `BuildOptions`. */
  readonly lendTerminal?: LendTerminal;
}

/** The services of one build, put together. Disposing closes the store and every connection. */
export interface Engine extends Disposable {
  readonly layers: LayerStore;
  readonly content: ContentStore;
  readonly records: RecordStore;
  readonly images: ImageSources;
  readonly contextServices: ContextServices;
  /** Behaviour for the vertices of this build; `context` opens the named contexts. */
  opResolver(context: (name: string) => Promise<BuildContext>): OpResolver;
  /** Empties the cache mounts of the RUNs that are to be run again whatever the cache has. */
  emptyRenewedCaches(roots: readonly Vertex[]): void;
  exporter(output: OutputSpec): Exporter;
  /** The failed step with an id, or the newest for `@last`. `SLIPWAY_FAILED_STEP_UNKNOWN`. */
  failedStep(name: string): FailedStep;
  /** See `enterStep` in solver/ops/exec. */
  enterFailedStep(step: FailedStep): Promise<void>;
}

/**
 * Opens everything that a build may need, and loads only what every build does need: executors, the registry client and what writes
 * layers come with their first use.
 */
export function openEngine(options: EngineOptions): Engine {
  const { request, signal } = options;
  const closing = new DisposableStack();
  const store = closing.use(openStore(request.root));
  const { database } = store;
  const leases = openLeases(database);
  // Prune leaves alone what was used since the oldest build began that still runs.
  closing.use(leases.hold([`build:${randomBytes(8).toString('hex')}`]));
  const content = openContentStore(store);
  const layers = createLayerStore({ store, content, leases });
  const imageStore = openImageStore(database);
  const connect = registryConnection(request, closing);
  const images = createImageSources({
    content,
    images: imageStore,
    connect: () => connect('default'),
    pull: request.pull ? 'always' : 'missing',
    cwd: request.cwd,
    root: store.root,
  });
  const executor = lazyExecutor(request, closing, () => ({
    stateDir: `${store.root}/executor`,
    scratchDir: store.temporaryPath(),
    xattrs: layers.overlayXattrPrefix() === 'user.overlay.' ? 'user' : 'trusted',
  }));
  const git = lazyGit(request, store, leases);
  const fetch = lazyFetch(request, closing);
  const cacheMounts = openCacheMounts(store);
  const failedSteps = openFailedSteps(database);
  const pushImage = createPushImage({ connect, content, imageStore, layers });
  return {
    layers,
    content,
    records: openRecordStore(database),
    images,
    contextServices: { temporaryPath: () => store.temporaryPath(), fetch, git, progress: options.progress, signal },
    opResolver: (context) =>
      createOpResolver({
        layers,
        content,
        digestContent: createContentDigester({
          files: openFileDigests(database),
          folders: openFolderDigests(database),
        }),
        cacheMounts,
        downloads: openDownloadStore(database),
        fetch,
        git,
        executor,
        context: context satisfies (name: string) => Promise<ContextFiles>,
        blobSource: (from, ref) => images.blobSource(from, ref),
        temporaryPath: () => store.temporaryPath(),
        secret: (id) => readSecret(request, id),
        sshAgent: (id) => sshAgentOf(request, id, () => store.temporaryPath()),
        entitlements: request.allow,
        devices: machineDevices,
        trust: lazyTrust(request),
        failures: {
          store: failedSteps,
          keep: request.keepFailed ?? 1,
          terminalType: request.env.TERM,
          shellCommand: () => shellCommand(store.root, request.env),
          ...(options.lendTerminal === undefined ? {} : { lendTerminal: options.lendTerminal }),
        },
        ...(request.stepTimeoutMs === undefined ? {} : { stepTimeoutMs: request.stepTimeoutMs }),
      }),
    emptyRenewedCaches: (roots) => emptyRenewedCaches(roots, cacheMounts),
    exporter: (output) =>
      createExporter(output, request, {
        cwd: request.cwd,
        stdout: options.stdout,
        layers,
        content,
        tagImage: (reference, target) => imageStore.put(reference, target, 'built'),
        pushImage,
      }),
    failedStep: (name) => failedSteps.get(name) ?? unknownFailedStep(name),
    enterFailedStep: async (step) => {
      const { enterFailedStep } = await import('../solver/ops/exec/enter-failed-step.ts');
      const terminalType = request.env.TERM;
      const services = { layers, executor, cacheMounts, entitlements: request.allow, terminalType };
      await enterFailedStep(step, services, { signal, progress: options.progress });
    },
    [Symbol.dispose]: () => closing[Symbol.dispose](),
  };
}

/** What opens a shell in a failed step of this store, also where nothing but the command line says which it is. */
async function shellCommand(root: string, env: BuildRequest['env']): Promise<string> {
  const { defaultStoreRoot } = await import('./executor/rootless.ts');
  if (root === defaultStoreRoot(env)) return 'slipway shell';
  const isPlain = /^[\w/.:@%+,-]+$/.test(root);
  return `slipway shell --root ${isPlain ? root : `'${root.replaceAll("'", "'\\''")}'`}`;
}

function unknownFailedStep(name: string): never {
  const what = name === '@last' ? 'no failed step is kept in the store' : `the store keeps no failed step "${name}"`;
  throw new SlipwayError('SLIPWAY_FAILED_STEP_UNKNOWN', what, {
    hint: 'a build keeps the last step that failed, unless it is told --keep-failed=0',
  });
}

/** Loaded and opened when the network is first needed, once for each kind. */
function registryConnection({ env }: BuildRequest, opened: DisposableStack) {
  const clients = new Map<string, Promise<RegistryClient>>();
  const connect = async (security: 'default' | 'insecure') => {
    const { RegistryClient } = await import('./registry/registry-client.ts');
    return opened.use(new RegistryClient({ env, ...(security === 'insecure' ? { isPlainHttp: () => true } : {}) }));
  };
  return (security: 'default' | 'insecure'): Promise<RegistryClient> => {
    const client = clients.get(security) ?? connect(security);
    clients.set(security, client);
    return client;
  };
}

/** What waits longer is given up by whoever reads: see `fetchUrl`. */
const FETCH_IDLE_MS = 300_000;

/** Loaded when the first URL is needed. */
function lazyFetch({ env }: BuildRequest, opened: DisposableStack): Fetch {
  let made: Promise<Fetch> | undefined;
  const make = async () => {
    const { HttpTransport } = await import('./registry/http-transport.ts');
    const { fetchOver } = await import('./registry/http-fetch.ts');
    return fetchOver(opened.use(new HttpTransport({ env, idleTimeoutMs: FETCH_IDLE_MS })));
  };
  return async (url, options) => {
    made ??= make();
    return (await made)(url, options);
  };
}

/** Loaded when the first repository is needed. */
function lazyGit(request: BuildRequest, store: Store, leases: Leases): () => Promise<GitRepositories> {
  let repositories: Promise<GitRepositories> | undefined;
  const open = async () => {
    const { openGitRepositories } = await import('../cache/git/open-git-repositories.ts');
    return openGitRepositories({
      store,
      leases,
      env: request.env,
      secret: (id) => readSecret(request, id),
      sshAgent: (id) => sshAgentOf(request, id, () => store.temporaryPath()),
    });
  };
  return () => {
    repositories ??= open();
    return repositories;
  };
}

/** Read when the first process runs, once. */
function lazyTrust(request: BuildRequest): () => Promise<TrustedCertificates | undefined> {
  let trust: Promise<TrustedCertificates | undefined> | undefined;
  const read = async () => (await import('./ca-certificates.ts')).trustedCertificates(request);
  return () => {
    if (request.caCertificates === undefined) return Promise.resolve(undefined);
    trust ??= read();
    return trust;
  };
}

function lazyExecutor(
  { isolation, ociRuntime, env }: BuildRequest,
  opened: DisposableStack,
  place: () => Pick<ExecutorChoice, 'stateDir' | 'scratchDir' | 'xattrs'>,
): () => Promise<Executor> {
  let executor: Promise<Executor> | undefined;
  const select = async () => {
    const { selectExecutor } = await import('./executor/select-executor.ts');
    return opened.use(
      selectExecutor({ isolation, env, ...place(), ...(ociRuntime === undefined ? {} : { ociRuntime }) }),
    );
  };
  return () => {
    executor ??= select();
    return executor;
  };
}
