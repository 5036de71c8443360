import { posix } from 'node:path';
import { joinPath } from './paths.ts';
import type { StepScope } from './stage-state.ts';

const EVERYTHING = new Set(['*', '**', '**/*']);

/**
 * Warns of a source that .dockerignore leaves out. Nothing is said where the file has exceptions: then what is left of a folder is
 * not known without looking.
 */
export function reportIgnoredSource(path: string, kind: 'add' | 'copy', { request, linter, step }: StepScope): void {
  const ignore = request.contextIgnore;
  if (ignore === undefined || ignore.patterns.some((pattern) => pattern.startsWith('!'))) return;
  const cleaned = posix.isAbsolute(path) ? joinPath(path) : joinPath('.', path);
  const isRoot = cleaned === '.' || cleaned === '/';
  if (isRoot && !ignore.patterns.some((pattern) => EVERYTHING.has(pattern))) return;
  if (isRoot || ignore.excludes(cleaned.replace(/^\/+/, '')))
    linter.report('CopyIgnoredFile', step.range, kind === 'add' ? 'Add' : 'Copy', cleaned);
}
