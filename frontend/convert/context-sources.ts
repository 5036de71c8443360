import type { Instruction } from '../instructions/instruction.ts';
import type { Stage } from '../stages/stage.ts';
import { rootedPath } from './paths.ts';

/** What the stages' instructions take from the main context, as written, variables and all. */
export function writtenContextSources(stages: readonly Stage[]): readonly string[] {
  return stages.flatMap(({ steps }) => steps.flatMap(({ instruction }) => sourcesOf(instruction)));
}

function sourcesOf(instruction: Instruction): readonly string[] {
  if (instruction.kind === 'run')
    return instruction.mounts.flatMap(({ from, written }) => {
      if (from !== undefined || /type=(?!bind)/.test(written)) return [];
      return /(?:^|,)(?:source|src)=([^,"]*)/.exec(written)?.[1] ?? '/';
    });
  if (instruction.kind !== 'add' && (instruction.kind !== 'copy' || instruction.from !== undefined)) return [];
  return instruction.sources.flatMap((source) => (source.kind === 'path' ? [source.path] : []));
}

/**
 * Whether nothing else that is taken from the context could bring along the folder that a pattern looks in. BuildKit is sent only
 * what is named, so a pattern that matches nothing fails there for want of its folder, but matches nothing quietly if the folder
 * came for another source.
 */
export function isOnlyUseOfFolder(pattern: string, sources: readonly string[]): boolean {
  const components = rootedPath(pattern).slice(1).split('/');
  const folder = components.slice(0, components.findIndex(hasWildcard));
  return folder.length > 0 && !sources.some((source) => source !== pattern && mayHold(source, folder));
}

/** Whether what a source names may be the folder, hold it, or lie in it. */
function mayHold(source: string, folder: readonly string[]): boolean {
  if (source.includes('$')) return true;
  const path = rootedPath(source);
  if (path === '/') return true;
  const components = path.slice(1).split('/');
  return components.slice(0, folder.length).every((component, index) => mayMatch(component, folder[index] ?? ''));
}

function mayMatch(component: string, name: string): boolean {
  if (!hasWildcard(component)) return component === name;
  if (/[[\\]/.test(component)) return true;
  const literal = component.replace(/[.+^${}()|\]/]/g, '\\$&');
  return new RegExp(`^${literal.replaceAll('*', '.*').replaceAll('?', '.')}$`).test(name);
}

/** Whether Go's filepath.Match would see more than a plain name. */
export function hasWildcard(path: string): boolean {
  return /(?:^|[^\\])(?:\\\\)*[*?[]/.test(path);
}
