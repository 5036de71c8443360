import { resolve } from 'node:path';
import { convert } from '../frontend/convert/convert.ts';
import { pathsBelow, readFiles } from '../solver/ops/file/read-files.ts';
import type { Vertex } from '../solver/vertex.ts';
import { type ContextFile, contextInventory } from './context/context-inventory.ts';
import { type FolderContext, openFolderContext } from './context/folder-context.ts';
import { readDockerfile } from './context/read-dockerfile.ts';
import { type BytePath, toBytePath } from './core/byte-path.ts';
import type { Digest } from './core/digest.ts';
import { SlipwayError } from './core/errors.ts';
import { resolvePath } from './core/file-tree.ts';
import type { ImageResolver } from './core/image-source.ts';
import { hostPlatform } from './core/platform.ts';

/** What a report on a context is asked for. */
export interface ContextReportRequest {
  /** A folder; relative to `cwd`. */
  readonly context: string;
  /** The Dockerfile; undefined is `Dockerfile` in the context, if there is one. */
  readonly file?: string;
  readonly target?: string;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly signal: AbortSignal;
}

/** An instruction that reads files of the context. */
export interface ContextUse {
  readonly dockerfile: string;
  readonly line: number;
  /** As written, its first line. */
  readonly instruction: string;
}

/** A file, and who reads it. */
export interface ReportedFile extends ContextFile {
  readonly usedBy: readonly ContextUse[];
}

/** What a build would see of its context. */
export interface ContextReport {
  readonly folder: BytePath;
  /** The Dockerfile whose instructions were looked at; undefined where there is none. */
  readonly dockerfile?: string;
  /** Every file of the folder, largest first, then by name. */
  readonly files: readonly ReportedFile[];
  /** Sources that are not in the context. */
  readonly missing: readonly (ContextUse & { readonly source: string })[];
}

/**
 * Says of every file of a context whether the build would see it, which line of the ignore file decided, and which instructions read it.
 * No file is read but Dockerfile and ignore file, and nothing is fetched: what a base image sets (variables, ONBUILD) is not known here.
 */
export async function reportContext(request: ContextReportRequest): Promise<ContextReport> {
  const folder = resolve(request.cwd, request.context);
  const description = 'the build context';
  const plain = openFolderContext(folder, { description });
  const dockerfile = findDockerfile(request, folder);
  const specificIgnoreFile = dockerfile === undefined ? undefined : `${dockerfile.path}.dockerignore`;
  const context =
    specificIgnoreFile === undefined ? plain : openFolderContext(folder, { description, specificIgnoreFile });
  const { uses, missing } =
    dockerfile === undefined ? { uses: new Map(), missing: [] } : await usesOf(context, dockerfile, request);
  const files = [...contextInventory(context)]
    .map((file): ReportedFile => ({ ...file, usedBy: uses.get(`/${file.path}`) ?? [] }))
    .sort((a, b) => b.size - a.size || (a.path < b.path ? -1 : 1));
  return {
    folder: context.folder,
    files,
    missing,
    ...(dockerfile === undefined ? {} : { dockerfile: dockerfile.name }),
  };
}

function findDockerfile({ file, cwd }: ContextReportRequest, folder: string) {
  try {
    return readDockerfile(file === undefined ? `${folder}/Dockerfile` : resolve(cwd, file), file ?? 'Dockerfile');
  } catch (error) {
    if (file === undefined && error instanceof SlipwayError && error.code === 'SLIPWAY_DOCKERFILE_MISSING')
      return undefined;
    throw error;
  }
}

interface Uses {
  /** By absolute path in the context. */
  readonly uses: ReadonlyMap<string, readonly ContextUse[]>;
  readonly missing: ContextReport['missing'];
}

async function usesOf(
  { tree }: FolderContext,
  dockerfile: { readonly name: string; readonly text: string },
  { target, buildArgs, signal }: ContextReportRequest,
): Promise<Uses> {
  const uses = new Map<string, ContextUse[]>();
  const missing: ContextReport['missing'][number][] = [];
  for (const one of await verticesOf(dockerfile, { target, buildArgs, signal })) {
    const use = useOf(one);
    const isContext = (input: number | 'scratch') => input !== 'scratch' && isMainContext(one.inputs[input]);
    const note = (paths: readonly BytePath[]) => {
      for (const path of paths) {
        const known = uses.get(path);
        if (known === undefined) uses.set(path, [use]);
        else if (!known.some(({ line }) => line === use.line)) known.push(use);
      }
    };
    if (one.op.kind === 'file')
      for (const action of one.op.actions) {
        if (action.action !== 'copy' || !isContext(action.input)) continue;
        const read = readFiles(tree, action);
        note(read.paths);
        if (read.missing !== undefined) missing.push({ ...use, source: action.written });
      }
    if (one.op.kind === 'exec')
      for (const mount of one.op.mounts) {
        if (mount.type !== 'bind' || !isContext(mount.input)) continue;
        const source = resolvePath(tree, toBytePath(mount.source), 'follow');
        if (source === undefined || tree.lstat(source) === undefined) missing.push({ ...use, source: mount.source });
        else note(pathsBelow(tree, source));
      }
  }
  return { uses, missing };
}

function isMainContext(input: Vertex | undefined): boolean {
  return input?.op.kind === 'local' && input.op.name === 'context';
}

function useOf({ options }: Vertex): ContextUse {
  const { source } = options;
  const line = source?.range.startLine ?? 0;
  const text = source?.text.split('\n')[line - 1]?.trim() ?? options.name;
  return { dockerfile: source?.range.file ?? '', line, instruction: text };
}

/** Every step of the target, in the order of the Dockerfile. Images are taken to be empty: only their files and variables are missed. */
async function verticesOf(
  { name, text }: { readonly name: string; readonly text: string },
  { target, buildArgs, signal }: Pick<ContextReportRequest, 'buildArgs' | 'signal'> & { target: string | undefined },
): Promise<readonly Vertex[]> {
  const platform = hostPlatform();
  const { root } = await convert(
    {
      dockerfile: { name, text },
      buildArgs,
      labels: {},
      platform,
      buildPlatform: platform,
      contexts: {},
      noCache: [],
      network: 'sandbox',
      entitlements: { networkHost: true, securityInsecure: true },
      extraHosts: [],
      ulimits: [],
      implicitPlatform: true,
      ...(target === undefined ? {} : { target }),
    },
    EMPTY_IMAGES,
    signal,
  );
  const found = new Set<Vertex>();
  const visit = (one: Vertex) => {
    if (found.has(one)) return;
    for (const input of one.inputs) visit(input);
    found.add(one);
  };
  if (root !== 'scratch') visit(root);
  return [...found].sort((a, b) => lineOf(a) - lineOf(b));
}

function lineOf({ options }: Vertex): number {
  return options.source?.range.startLine ?? 0;
}

const NO_DIGEST = `sha256:${'0'.repeat(64)}` as Digest;

const EMPTY_IMAGES: ImageResolver = {
  resolve: async (ref, platform) => ({
    ref,
    manifest: NO_DIGEST,
    root: NO_DIGEST,
    platform,
    config: { ...platform, config: {}, rootfs: { type: 'layers', diff_ids: [] }, history: [] },
    layers: [],
    from: 'nowhere',
  }),
};
