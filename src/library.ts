import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import type { BuildOptions, BuildOutcome, BuildRequest } from './build-request.ts';
import { errnoOf } from './core/errors.ts';
import type { Evaluation, EvaluationMethod } from './evaluate.ts';
import { defaultStoreRoot } from './executor/rootless.ts';
import type { BuildGraph } from './graph.ts';
import { type NamespaceMessage, readMessageLine, requestFrame } from './namespace-messages.ts';

/**
 * Builds what the request asks for and writes its outputs. Events come in order and end with `build-finished`, whatever happens. Rejects
 * with a `SlipwayError` for everything that a user can mend, and with the signal's reason when it was aborted; either way nothing of the
 * build runs any more and nothing stays mounted. Where this process is not root, the work is done by a child that is root of a user
 * namespace; this process stays what it is.
 */
export async function build(given: GivenRequest, options: BuildOptions = {}): Promise<BuildOutcome> {
  const request = completeRequest(given);
  if (process.geteuid?.() === 0) return (await import('./build.ts')).build(request, options);
  return buildInNamespace(request, options);
}

/**
 * Checks a Dockerfile, or lists what a build of it can be told (`docker buildx build --call`): nothing is run, and no more of base images is
 * fetched than their configs. Rejects like `build`; a failure that a check finds is part of its answer.
 */
export async function evaluate(
  given: GivenRequest,
  method: EvaluationMethod,
  options: BuildOptions = {},
): Promise<Evaluation> {
  return (await import('./evaluate.ts')).evaluate(completeRequest(given), method, options);
}

/** The vertices of a build, for all of its platforms, without running any. Rejects like `build`. */
export async function graph(given: GivenRequest, options: BuildOptions = {}): Promise<BuildGraph> {
  return (await import('./evaluate.ts')).buildGraph(completeRequest(given), options);
}

/** A request of which only the context has to be said; the rest has the defaults of the command line. */
export type GivenRequest = Pick<BuildRequest, 'context'> & Partial<BuildRequest>;

function completeRequest(given: GivenRequest): BuildRequest {
  const env = given.env ?? process.env;
  return {
    cwd: process.cwd(),
    tags: [],
    buildArgs: {},
    buildContexts: {},
    labels: {},
    annotations: [],
    platforms: [],
    noCache: false,
    noCacheFilter: [],
    pull: false,
    outputs: [],
    secrets: [],
    ssh: [],
    network: 'default',
    addHosts: [],
    allow: [],
    ulimits: [],
    isolation: 'auto',
    root: env.SLIPWAY_ROOT || defaultStoreRoot(env),
    ...given,
    env,
  };
}

async function buildInNamespace({ stdin, ...request }: BuildRequest, options: BuildOptions): Promise<BuildOutcome> {
  const { signal, onEvent = () => {}, stdout = process.stdout } = options;
  signal?.throwIfAborted();
  const child = spawn(process.execPath, [programPath()], { stdio: ['pipe', 'pipe', 'pipe'] });
  const stop = () => void child.kill('SIGTERM');
  signal?.addEventListener('abort', stop, { once: true });
  const ended = new Promise<void>((resolve, reject) => child.once('close', () => resolve()).once('error', reject));
  try {
    child.stdout.pipe(stdout, { end: false });
    const feeding = feed(child.stdin, requestFrame(request), stdin);
    const [last, said] = await listen(child.stderr, onEvent);
    await Promise.all([ended, feeding]);
    signal?.throwIfAborted();
    if (last?.type === 'outcome') return last.outcome;
    throw last?.error ?? new Error(`internal: the build ended without a result: ${said}`);
  } finally {
    signal?.removeEventListener('abort', stop);
    stop();
  }
}

async function feed(
  target: NodeJS.WritableStream,
  frame: Buffer,
  stdin: AsyncIterable<Uint8Array> | undefined,
): Promise<void> {
  async function* bytes() {
    yield frame;
    if (stdin !== undefined) yield* stdin;
  }
  try {
    await pipeline(Readable.from(bytes(), { objectMode: false }), target);
  } catch (error) {
    // The build may end without having read all of it.
    if (errnoOf(error) !== 'EPIPE' && errnoOf(error) !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  }
}

type LastMessage = Exclude<NamespaceMessage, { type: 'event' }>;

/** Passes events on; returns the message that ends the build, and whatever else was written. */
async function listen(
  stream: NodeJS.ReadableStream,
  onEvent: NonNullable<BuildOptions['onEvent']>,
): Promise<readonly [LastMessage | undefined, string]> {
  let last: LastMessage | undefined;
  let said = '';
  for await (const line of createInterface({ input: stream })) {
    const message = readMessageLine(line);
    if (message === undefined) said = `${said}${line}\n`.slice(-4096);
    else if (message.type === 'event') onEvent(message.event);
    else last = message;
  }
  return [last, said];
}

/** Beside this file in the sources; at the top of the bundle's folder otherwise. */
function programPath(): string {
  const here = ['./namespace-build.ts', './namespace-build.js', '../namespace-build.js'];
  const path = here.map((name) => fileURLToPath(new URL(name, import.meta.url))).find((name) => existsSync(name));
  if (path === undefined) throw new Error('internal: the package lacks namespace-build.js');
  return path;
}
