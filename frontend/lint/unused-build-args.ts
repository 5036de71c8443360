import { suggest } from '../../src/core/suggest.ts';
import type { FrontendRequest, UnusedBuildArg } from '../frontend.ts';
import type { Instruction } from '../instructions/instruction.ts';

/** What a build argument may be called without an ARG that declares it: proxies, and what BuildKit itself listens to. */
const NEEDS_NO_ARG = /^(?:(?:https?|ftp|no|all)_proxy|buildkit_.*|source_date_epoch)$/i;

/** The build arguments that no ARG among the instructions takes, each with the ARG that was probably meant. */
export function unusedBuildArgs(
  { buildArgs }: FrontendRequest,
  instructions: Iterable<Instruction>,
  predefined: Iterable<string>,
): readonly UnusedBuildArg[] {
  const names = Object.keys(buildArgs).filter((name) => !NEEDS_NO_ARG.test(name));
  if (names.length === 0) return [];
  const declared = new Set(predefined);
  for (const instruction of instructions) for (const name of declaredBy(instruction)) declared.add(name);
  return names.flatMap((name) => {
    if (declared.has(name)) return [];
    const meant = suggest(name, declared);
    return [meant === undefined ? { name } : { name, meant }];
  });
}

function declaredBy(instruction: Instruction): readonly string[] {
  if (instruction.kind === 'arg') return instruction.args.map(({ key }) => key);
  if (instruction.kind !== 'onbuild') return [];
  const args = /^arg\s+(.*)/is.exec(instruction.expression)?.[1] ?? '';
  return args.split(/\s+/).map((word) => word.replace(/=.*/s, ''));
}
