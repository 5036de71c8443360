import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { attemptConversion, definitionIn } from '../frontend/convert/convert.ts';
import type { Definition } from '../frontend/frontend.ts';
import { layerNames } from '../solver/layer-names.ts';
import { solve } from '../solver/solve.ts';
import type { Vertex } from '../solver/vertex.ts';
import type { BuildOptions, BuildOutcome, BuildRequest } from './build-request.ts';
import type { BuildContext } from './context/build-context.ts';
import { contextEpoch } from './context/context-epoch.ts';
import { openFolderContext } from './context/folder-context.ts';
import { openBuildInput } from './context/open-build-input.ts';
import { firstFailure } from './core/errors.ts';
import { formatPlatform, parsePlatform } from './core/platform.ts';
import type { ProgressEvent, ProgressSink } from './core/progress.ts';
import { withDiskFull } from './disk-full.ts';
import { EarlyBlobs, verticesBelow } from './early-blobs.ts';
import { emitUnusedBuildArgs } from './emit-unused-build-args.ts';
import { emitWarnings } from './emit-warnings.ts';
import { type Engine, openEngine } from './engine.ts';
import { runExporters } from './export/run-exporters.ts';
import { frontendRequest } from './frontend-request.ts';
import type { AssembledImages, PlatformResult } from './image/assemble.ts';
import { checkSecrets } from './secrets.ts';

export type * from './build-request.ts';

/**
 * Builds what the request asks for and writes its outputs. Events come in order and end with `build-finished`, whatever happens. Rejects with a
 * `SlipwayError` for everything that a user can mend, and with the signal's reason when it was aborted; either way nothing of the build
 * runs any more and nothing stays mounted.
 */
export async function build(request: BuildRequest, options: BuildOptions = {}): Promise<BuildOutcome> {
  const { signal = new AbortController().signal, onEvent = () => {}, stdout = process.stdout } = options;
  const progress: ProgressSink = { emit: onEvent };
  progress.emit({ type: 'build-started', at: Date.now(), version: 1 });
  let outcome: Extract<ProgressEvent, { type: 'build-finished' }>['outcome'] = 'failed';
  try {
    signal.throwIfAborted();
    checkSecrets(request);
    const { lendTerminal } = options;
    const lending = lendTerminal === undefined ? {} : { lendTerminal };
    using engine = openEngine({ request, progress, signal, stdout, ...lending });
    const built = await buildWith(engine, { request, progress, signal });
    outcome = 'built';
    return built;
  } catch (error) {
    if (signal.aborted) outcome = 'cancelled';
    throw withDiskFull(firstFailure(error), request.root);
  } finally {
    progress.emit({ type: 'build-finished', at: Date.now(), outcome });
  }
}

interface Scope {
  readonly request: BuildRequest;
  readonly progress: ProgressSink;
  readonly signal: AbortSignal;
}

/** One build in a straight line. */
async function buildWith(engine: Engine, { request, progress, signal }: Scope): Promise<BuildOutcome> {
  const outputs = request.outputs.length > 0 ? request.outputs : [{ type: 'image', attributes: {} } as const];
  const exporters = outputs.map((output) => engine.exporter(output));
  await using contexts = new AsyncDisposableStack();
  const input = await openBuildInput(request, engine.contextServices);
  contexts.use(input.context);

  const platforms = request.platforms.length > 0 ? request.platforms.map(parsePlatform) : [undefined];
  const dated = withEpoch(request, await contextEpoch(request, input.context, signal));
  const conversions = await Promise.all(
    platforms.map((platform) =>
      attemptConversion(frontendRequest(dated, input, platform), engine.images.resolver, signal),
    ),
  );
  emitWarnings(
    conversions.flatMap(({ warnings }) => warnings),
    progress,
  );
  emitUnusedBuildArgs(conversions[0]?.unusedBuildArgs ?? [], progress);
  const definitions = conversions.map(definitionIn);

  const context = namedContexts(input.context, { request, contexts });
  const roots = definitions.flatMap(({ root }) => (root === 'scratch' ? [] : [root]));
  engine.emptyRenewedCaches(roots);
  const epoch = definitions.find((definition) => definition.epoch !== undefined)?.epoch ?? request.epoch;
  const dating = epoch === undefined ? {} : { epoch };
  const forms = exporters.flatMap((exporter) => (exporter.kind === 'image' ? [exporter.form] : []));
  await using earlyBlobs = new EarlyBlobs({ layers: engine.layers, forms, ...dating, signal });
  const needed = verticesBelow(roots);
  const stacks = await solve(roots, {
    resolve: engine.opResolver(context),
    records: engine.records,
    isDurable: (stack) => engine.layers.isDurable(stack),
    concurrency: stepsAtOnce(),
    progress,
    onSolved: (vertex, stack) => {
      if (needed.has(vertex.digest)) earlyBlobs.begin(stack);
    },
    signal,
  });
  const results = definitions.map((definition): PlatformResult => {
    const { root, config, platform } = definition;
    const names = root === 'scratch' ? [] : layerNames(root);
    return { stack: stackOf(root, roots, stacks), config, platform, layerNames: names };
  });

  const exported = await runExporters(exporters, results, {
    layers: engine.layers,
    content: engine.content,
    now: Date.now(),
    ...dating,
    progress,
    signal,
  });
  return outcomeOf(request, results, exported);
}

/** SOURCE_DATE_EPOCH in seconds, in place of `context`. */
export function withEpoch(request: BuildRequest, epoch: number | undefined): BuildRequest {
  if (epoch === undefined) return request;
  return { ...request, epoch, buildArgs: { ...request.buildArgs, SOURCE_DATE_EPOCH: String(epoch) } };
}

/**
 * Steps wait for networks and disks more than they compute, and BuildKit runs any number of them; the limit only keeps a Dockerfile of
 * a hundred stages from filling the memory.
 */
function stepsAtOnce(): number {
  return Math.max(16, 2 * availableParallelism());
}

function stackOf<Stack>(
  root: Definition['root'],
  roots: readonly Vertex[],
  stacks: readonly (readonly Stack[])[],
): readonly Stack[] {
  if (root === 'scratch') return [];
  const stack = stacks[roots.indexOf(root)];
  if (stack === undefined) throw new Error('internal: a root was not solved');
  return stack;
}

interface ContextScope {
  readonly request: BuildRequest;
  readonly contexts: AsyncDisposableStack;
}

/** Opens each named context when it is first read, once; `context` is the main one. */
function namedContexts(main: BuildContext, { request, contexts }: ContextScope) {
  const opened = new Map<string, Promise<BuildContext>>([['context', Promise.resolve(main)]]);
  const open = async (name: string) => {
    const where = request.buildContexts[name];
    if (where === undefined) throw new Error(`internal: there is no context ${JSON.stringify(name)}`);
    const description = `the context "${name}"`;
    const context = openFolderContext(resolve(request.cwd, where), { description });
    contexts.use(context);
    return context;
  };
  return (name: string): Promise<BuildContext> => {
    const known = opened.get(name) ?? open(name);
    opened.set(name, known);
    return known;
  };
}

function outcomeOf(
  request: BuildRequest,
  results: readonly PlatformResult[],
  images: AssembledImages | undefined,
): BuildOutcome {
  const platforms = results.map(({ platform }) => formatPlatform(platform));
  if (images === undefined) return { platforms, tags: request.tags, metadata: {} };
  const { root } = images;
  const config = images.images.length === 1 ? images.images[0]?.config : undefined;
  return {
    ...(config === undefined ? {} : { imageId: config.digest }),
    digest: root.digest,
    platforms,
    tags: request.tags,
    metadata: {
      ...(config === undefined ? {} : { 'containerimage.config.digest': config.digest }),
      'containerimage.descriptor': root,
      'containerimage.digest': root.digest,
      ...(request.tags.length === 0 ? {} : { 'image.name': request.tags.join(',') }),
    },
  };
}
