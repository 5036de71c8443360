import { type CopyAction, type Vertex, type VertexOptions, vertex } from '../../solver/vertex.ts';
import { SlipwayError } from '../../src/core/errors.ts';
import { type GitReference, parseGitReference } from '../../src/core/git-reference.ts';
import type { AddInstruction, CopyInstruction, Heredoc } from '../instructions/instruction.ts';
import { hasWildcard, isOnlyUseOfFolder } from './context-sources.ts';
import { gitOpOf } from './git-source.ts';
import { inlineFile } from './inline-file.ts';
import { rootedPath } from './paths.ts';
import type { Root } from './stage-state.ts';

/** One source of a COPY or ADD: the filesystem that it is taken from, and how. */
export interface ReadSource {
  readonly root: Root;
  readonly action: Pick<
    CopyAction,
    'source' | 'literal' | 'unpack' | 'parents' | 'mustMatch' | 'contentsOnly' | 'written'
  >;
}

/** What all sources of an instruction share. */
export interface SourceScope {
  readonly instruction: AddInstruction | CopyInstruction;
  /** Expanded `--checksum`. */
  readonly checksum: string | undefined;
  /** Where paths are taken from. */
  readonly files: Root;
  /** For the main context: what all steps take from it, as written. */
  readonly contextSources: readonly string[] | undefined;
  /** How the step is shown, and so a fetch for it. */
  readonly options: VertexOptions;
}

const HEREDOC_MODE = 0o644;
const DOWNLOAD_MODE = 0o600;

/** A source that is a path, a URL or a Git repository; `written` is expanded. Throws for a remote one of COPY. */
export function readPathSource(written: string, scope: SourceScope): ReadSource {
  const git = parseGitReference(written);
  if (git !== undefined) return gitSource(git, written, scope);
  if (/^https?:\/\//.test(written)) return urlSource(written, scope);
  return scope.instruction.kind === 'copy' && scope.instruction.parents
    ? parentsSource(written, scope)
    : pathSource(written, scope);
}

/** The text of a heredoc, its variables replaced already, as a file named after its delimiter. */
export function readHeredocSource({ name }: Heredoc, text: string): ReadSource {
  return {
    root: inlineFile({ name, text, mode: HEREDOC_MODE }),
    action: plainAction(`/${name}`, `<<${name}`),
  };
}

/** Whether a source is fetched over the network, so that `--checksum` may pin it. */
export function isRemote(written: string): boolean {
  return /^https?:\/\//.test(written) || parseGitReference(written) !== undefined;
}

function plainAction(source: string, written: string): ReadSource['action'] {
  return { source, literal: true, unpack: false, parents: false, mustMatch: true, contentsOnly: true, written };
}

function pathSource(written: string, { instruction, files, contextSources }: SourceScope): ReadSource {
  const source = rootedPath(written);
  const unpack = instruction.kind === 'add' && (instruction.unpack ?? true);
  const mustMatch =
    !hasWildcard(source) || (contextSources !== undefined && isOnlyUseOfFolder(written, contextSources));
  return { root: files, action: { ...plainAction(source, written), literal: false, unpack, mustMatch } };
}

/** `/a/./b/*.c`: the folders below the pivot are kept; without one, all are. */
function parentsSource(written: string, { files }: SourceScope): ReadSource {
  const pivot = written.indexOf('/./');
  const base = pivot < 0 ? '/' : rootedPath(written.slice(0, pivot));
  const pattern = rootedPath(pivot < 0 ? written : written.slice(pivot + 2));
  const source = base === '/' ? pattern : `${base}/.${pattern}`;
  const mustMatch = !hasWildcard(written);
  return { root: files, action: { ...plainAction(source, written), literal: false, parents: true, mustMatch } };
}

function urlSource(url: string, { instruction, checksum, options }: SourceScope): ReadSource {
  if (instruction.kind === 'copy') throw notForCopy("source can't be a URL for COPY", url);
  if (checksum !== undefined) checkDigest(checksum);
  const filename = filenameOf(url);
  const op = { kind: 'http', url, filename, mode: DOWNLOAD_MODE, uid: 0, gid: 0 } as const;
  const root = vertex({ ...op, ...(checksum === undefined ? {} : { checksum }) }, [], options);
  return { root, action: { ...plainAction(`/${filename}`, url), unpack: instruction.unpack ?? false } };
}

function filenameOf(url: string): string {
  if (!URL.canParse(url)) return '__unnamed__';
  const { pathname } = new URL(url);
  const last = decoded(pathname.replace(/\/+$/, '')).split('/').at(-1);
  return last === undefined || last === '' || last === '.' || last === '..' ? '__unnamed__' : last;
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch (error) {
    if (error instanceof URIError) return path;
    throw error;
  }
}

function gitSource(git: GitReference, written: string, scope: SourceScope): ReadSource {
  if (scope.instruction.kind === 'copy') throw notForCopy("source can't be a git ref for COPY", written);
  return { root: gitVertex(git, scope), action: plainAction('/', written) };
}

function gitVertex(git: GitReference, { instruction, checksum, options }: SourceScope): Vertex {
  const keep = instruction.kind === 'add' ? instruction.keepGitDir : undefined;
  if (keep !== undefined && git.keepGitDir !== undefined && keep !== git.keepGitDir)
    throw new SlipwayError('SLIPWAY_ADD_INVALID', 'inconsistent keep-git-dir configuration', {
      hint: 'the flag and the URL say different things: drop one of them',
    });
  if (checksum !== undefined && git.checksum !== undefined && checksum !== git.checksum)
    throw new SlipwayError('SLIPWAY_ADD_INVALID', `checksum mismatch "${checksum}" != "${git.checksum}"`, {
      hint: 'the flag and the URL name different commits: drop one of them',
    });
  const flags = {
    ...(keep === undefined ? {} : { keepGitDir: keep }),
    ...(checksum === undefined ? {} : { checksum }),
  };
  return vertex(gitOpOf(git, flags), [], options);
}

/** Of the digest algorithms that BuildKit knows, the ones with their lengths in hex. */
const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$/;

function checkDigest(checksum: string): void {
  if (DIGEST.test(checksum)) return;
  throw new SlipwayError('SLIPWAY_CHECKSUM_INVALID', `invalid checksum digest format: ${JSON.stringify(checksum)}`, {
    hint: 'write --checksum=sha256: and 64 lower-case hex digits',
  });
}

function notForCopy(message: string, written: string): SlipwayError {
  return new SlipwayError('SLIPWAY_COPY_INVALID', `${message}: ${written}`, { hint: 'use ADD to fetch it' });
}
