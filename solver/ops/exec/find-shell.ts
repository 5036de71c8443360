import { type BytePath, toBytePath } from '../../../src/core/byte-path.ts';
import { SlipwayError } from '../../../src/core/errors.ts';
import { type FileTree, resolvePath } from '../../../src/core/file-tree.ts';

const USUAL: readonly (readonly string[])[] = [['/bin/sh'], ['/bin/bash'], ['/bin/busybox', 'sh'], ['/busybox/sh']];

/**
 * The shell to open in a root: the one that the step's own command begins with, where it does (that of its SHELL instruction, without its
 * options), else a usual one that is there. `SLIPWAY_SHELL_MISSING`.
 */
export function findShell(
  root: FileTree,
  { args, env }: { readonly args: readonly string[]; readonly env: readonly string[] },
): readonly string[] {
  const candidates = [...ownShell(args), ...USUAL];
  const folders = (env.find((variable) => variable.startsWith('PATH=')) ?? 'PATH=').slice('PATH='.length).split(':');
  const found = candidates.find(([program = '']) =>
    program.startsWith('/')
      ? isProgram(root, program)
      : folders.some((folder) => isProgram(root, `${folder}/${program}`)),
  );
  if (found !== undefined) return found;
  throw new SlipwayError('SLIPWAY_SHELL_MISSING', 'the failed step cannot be entered: its root has no shell', {
    hint: `there is none of ${candidates.map((words) => words.join(' ')).join(', ')}`,
  });
}

/** `/bin/bash`, `busybox sh`, `/usr/bin/env bash`: the words before the first option, if the last of them is a shell. */
function ownShell(args: readonly string[]): string[][] {
  const option = args.findIndex((word) => word.startsWith('-'));
  const words = args.slice(0, Math.max(option, 1));
  return /(^|\/)[a-z]*sh$/.test(words.at(-1) ?? '') ? [words] : [];
}

function isProgram(root: FileTree, path: string): boolean {
  if (!path.startsWith('/')) return false;
  const place: BytePath | undefined = resolvePath(root, toBytePath(path), 'follow');
  const entry = place === undefined ? undefined : root.lstat(place);
  return entry?.type === 'file' && (entry.mode & 0o111) !== 0;
}
