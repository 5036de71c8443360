import { lstatSync, realpathSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { type BytePath, hostPath, toBytePath } from '../core/byte-path.ts';
import { errnoOf, SlipwayError } from '../core/errors.ts';
import {
  compileIgnorePatterns,
  type IgnorePatterns,
  type PatternLine,
  parseIgnoreFile,
} from '../core/ignore-patterns.ts';
import { readUpTo } from '../core/read-up-to.ts';
import type { BuildContext } from './build-context.ts';
import { openFolderTree } from './folder-tree.ts';

/** An ignore file above this is a mistake. */
const IGNORE_LIMIT = 16 * 1024 * 1024;

export interface FolderContextOptions {
  readonly description: string;
  /** Path of the ignore file that is taken in place of the folder's `.dockerignore`, where it exists. */
  readonly specificIgnoreFile?: string;
}

/** A line of an ignore file. */
export interface IgnoreRule {
  readonly file: string;
  readonly line: number;
  readonly pattern: string;
}

export interface FolderContext extends BuildContext {
  /** Absolute, symlinks followed. */
  readonly folder: BytePath;
  /** The last rule that says something of the path, which may also be one that takes it in again; whether or not there is such a file. */
  ruleFor(path: BytePath): (IgnoreRule & { readonly isExcluded: boolean }) | undefined;
}

/**
 * A folder of this machine as a context, with the first ignore file that exists. `SLIPWAY_CONTEXT_MISSING` and
 * `SLIPWAY_CONTEXT_NOT_FOLDER` for a path that is no folder.
 */
export function openFolderContext(folder: string, options: FolderContextOptions): FolderContext {
  const root = toBytePath(resolveFolder(folder, options.description));
  const { lines, patterns, file } = readIgnore(folder, options.specificIgnoreFile);
  const ruleFor = (path: BytePath) => {
    const { isExcluded, by } = patterns.match(path);
    return by === undefined ? undefined : { file, line: by.line, pattern: by.pattern, isExcluded };
  };
  const tree = openFolderTree(root, patterns);
  return {
    folder: root,
    tree,
    ruleFor,
    excludedBy: (path) => {
      const rule = ruleFor(toBytePath(path));
      if (rule === undefined || !rule.isExcluded || !exists(`${root}/${toBytePath(path)}` as BytePath))
        return undefined;
      return { file: rule.file, line: rule.line, pattern: rule.pattern };
    },
    ignore: {
      patterns: lines.map(({ pattern }) => pattern),
      excludes: (path) => patterns.match(toBytePath(path)).isExcluded,
    },
    description: options.description,
    [Symbol.asyncDispose]: async () => tree[Symbol.dispose](),
  };
}

function resolveFolder(folder: string, description: string): string {
  try {
    const resolved = realpathSync(folder);
    if (lstatSync(resolved).isDirectory()) return resolved;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== 'ENOENT' && errno !== 'ENOTDIR' && errno !== 'ELOOP' && errno !== 'EACCES') throw error;
    throw new SlipwayError('SLIPWAY_CONTEXT_MISSING', `${description}: cannot open the folder "${folder}": ${errno}`, {
      cause: error,
    });
  }
  throw new SlipwayError('SLIPWAY_CONTEXT_NOT_FOLDER', `${description}: "${folder}" is a file, expected a folder`, {
    hint: 'name the folder as the context, and the Dockerfile with -f',
  });
}

interface ReadIgnore {
  readonly lines: readonly PatternLine[];
  readonly patterns: IgnorePatterns;
  readonly file: string;
}

function readIgnore(folder: string, specific: string | undefined): ReadIgnore {
  for (const path of [...(specific === undefined ? [] : [specific]), `${folder}/.dockerignore`]) {
    const text = readIgnoreFile(path);
    const file = basename(path);
    if (text === undefined) continue;
    const lines = parseIgnoreFile(text, file);
    return { lines, patterns: compileIgnorePatterns(lines, file), file };
  }
  return { lines: [], patterns: compileIgnorePatterns([], '.dockerignore'), file: '.dockerignore' };
}

function readIgnoreFile(path: string): string | undefined {
  let bytes: Buffer | undefined;
  try {
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats === undefined) return undefined;
    if (!stats.isFile()) throw new SlipwayError('SLIPWAY_IGNORE_INVALID', `cannot read ${path}: it is no regular file`);
    bytes = readUpTo(path, IGNORE_LIMIT);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined;
    if (errno !== 'EACCES' && errno !== 'ELOOP') throw error;
    throw new SlipwayError('SLIPWAY_IGNORE_INVALID', `cannot read ${path}: ${errno}`, { cause: error });
  }
  if (bytes !== undefined) return bytes.toString('utf8');
  throw new SlipwayError('SLIPWAY_IGNORE_INVALID', `${path} has more than ${IGNORE_LIMIT} bytes`);
}

function exists(path: BytePath): boolean {
  try {
    return lstatSync(hostPath(path), { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    if (errnoOf(error) === 'ENOTDIR' || errnoOf(error) === 'ENAMETOOLONG') return false;
    throw error;
  }
}
