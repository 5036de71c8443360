import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { SlipwayError } from '../core/errors.ts';
import { withoutCredentials } from '../core/fetch-url.ts';
import type { BuildContext, ContextServices, DockerfileText } from './build-context.ts';
import { peek, readText } from './byte-stream.ts';
import { fetchBytes, isHttpUrl } from './fetch-bytes.ts';
import { openFolderContext } from './folder-context.ts';
import { openGitContext, parseGitContext } from './git-context.ts';
import { DOCKERFILE_LIMIT, readDockerfile, readDockerfileIn } from './read-dockerfile.ts';

/** What `slipway build` was told of the context and the Dockerfile; see `BuildRequest`. */
export interface BuildInputRequest {
  readonly context: string;
  readonly file?: string;
  readonly cwd: string;
  readonly stdin?: AsyncIterable<Uint8Array>;
  readonly buildArgs?: Readonly<Record<string, string>>;
}

/** The context and the Dockerfile of a build. The caller disposes the context. */
export interface BuildInput {
  readonly context: BuildContext;
  readonly dockerfile: DockerfileText;
}

const DESCRIPTION = 'the build context';

/**
 * Opens the context and reads the Dockerfile, by the rules of `docker buildx build`: the Dockerfile is a path of this machine
 * where the context is a folder, and a path in the context otherwise; it may be a URL, or `-` for standard input; a context
 * that is no archive is itself the Dockerfile, of a context without files.
 */
export async function openBuildInput(request: BuildInputRequest, services: ContextServices): Promise<BuildInput> {
  const { context, cwd, file } = request;
  if (context === '-') {
    if (file !== '-') return openStream(stdinOf(request), 'standard input', request, services);
    const message = 'the context and the Dockerfile cannot both come from standard input';
    throw new SlipwayError('SLIPWAY_CONTEXT_INVALID', message, { hint: 'give one of them as a path' });
  }
  const git = isFolder(resolve(cwd, context)) ? undefined : parseGitContext(context);
  if (git !== undefined) {
    const options = { description: DESCRIPTION, buildArgs: request.buildArgs ?? {} };
    return withDockerfile(await openGitContext(git, options, services), request, services);
  }
  if (isHttpUrl(context))
    return openStream(fetchBytes(context, services), withoutCredentials(context), request, services);
  return openFolder(request, services);
}

/** Whether a path is one; a URL that happens to be one too is the path, as docker has it. */
function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

async function openFolder(request: BuildInputRequest, services: ContextServices): Promise<BuildInput> {
  const folder = resolve(request.cwd, request.context);
  // Before the Dockerfile: where the folder is wrong, that is what the user wants to know.
  const context = openFolderContext(folder, { description: DESCRIPTION });
  const elsewhere = await dockerfileFromElsewhere(request, services);
  if (elsewhere !== undefined) return { context, dockerfile: elsewhere };
  const path = request.file === undefined ? `${folder}/Dockerfile` : resolve(request.cwd, request.file);
  const { name, text, path: found } = readDockerfile(path, request.file ?? 'Dockerfile');
  const options = { description: DESCRIPTION, specificIgnoreFile: `${found}.dockerignore` };
  return { context: openFolderContext(folder, options), dockerfile: { name, text } };
}

/** A stream is an archive, or else a Dockerfile. */
async function openStream(
  bytes: AsyncIterable<Uint8Array>,
  name: string,
  request: BuildInputRequest,
  services: ContextServices,
): Promise<BuildInput> {
  const { emptyContext, looksLikeArchive, openArchiveContext, PEEK_BYTES } = await import('./archive-context.ts');
  const stream = await peek(bytes, PEEK_BYTES);
  if (looksLikeArchive(stream.head)) {
    const context = await openArchiveContext({ name, ...stream }, DESCRIPTION, services);
    return withDockerfile(context, request, services);
  }
  if (request.file !== undefined) {
    const message = `${name} is no archive, so it is the Dockerfile, but -f names another one: "${request.file}"`;
    throw new SlipwayError('SLIPWAY_CONTEXT_INVALID', message);
  }
  const text = await readText(stream.bytes, DOCKERFILE_LIMIT, name);
  return { context: emptyContext(DESCRIPTION), dockerfile: { name: 'Dockerfile', text } };
}

async function withDockerfile(
  context: BuildContext,
  request: BuildInputRequest,
  services: ContextServices,
): Promise<BuildInput> {
  try {
    const elsewhere = await dockerfileFromElsewhere(request, services);
    return { context, dockerfile: elsewhere ?? readDockerfileIn(context.tree, request.file ?? 'Dockerfile') };
  } catch (error) {
    await context[Symbol.asyncDispose]();
    throw error;
  }
}

/** From standard input or a URL; undefined where it is a file. */
async function dockerfileFromElsewhere(
  request: BuildInputRequest,
  services: ContextServices,
): Promise<DockerfileText | undefined> {
  const { file } = request;
  if (file === '-') {
    return { name: 'Dockerfile', text: await readText(stdinOf(request), DOCKERFILE_LIMIT, 'standard input') };
  }
  if (file === undefined || !isHttpUrl(file)) return undefined;
  const name = withoutCredentials(file);
  return { name, text: await readText(fetchBytes(file, services), DOCKERFILE_LIMIT, name) };
}

function stdinOf({ stdin }: BuildInputRequest): AsyncIterable<Uint8Array> {
  if (stdin !== undefined) return stdin;
  throw new SlipwayError('SLIPWAY_STDIN_MISSING', '"-" means standard input, and there is none to read');
}
