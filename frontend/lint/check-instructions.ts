import type { Dockerfile, FromInstruction, Instruction } from '../instructions/instruction.ts';
import type { Linter } from './linter.ts';

const RESERVED_STAGE_NAMES = new Set(['context', 'scratch']);

/** The checks that need nothing but the text of the Dockerfile: casing, stage names, MAINTAINER, descriptions. */
export function checkInstructions(dockerfile: Dockerfile, linter: Linter): void {
  for (const instruction of dockerfile.instructions) {
    const own = linter.under(instruction.comments);
    if (instruction.kind === 'from') checkFrom(instruction, own);
    if (instruction.kind === 'maintainer') own.report('MaintainerDeprecated', instruction.range);
    if (instruction.kind === 'arg')
      checkDescription(
        instruction,
        instruction.args.map((arg) => arg.key),
        own,
      );
  }
  checkStageNames(dockerfile, linter);
  checkKeywordCasing(dockerfile, linter);
}

function checkFrom(from: FromInstruction, linter: Linter): void {
  const { stageName, writtenStageName = '', writtenAs: as, keyword } = from;
  if (writtenStageName !== writtenStageName.toLowerCase())
    linter.report('StageNameCasing', from.range, writtenStageName);
  if (stageName === undefined || as === undefined) return;
  const isLower = keyword === keyword.toLowerCase();
  const isUpper = keyword === keyword.toUpperCase();
  if ((isLower || isUpper) && as !== (isLower ? as.toLowerCase() : as.toUpperCase()))
    linter.report('FromAsCasing', from.range, keyword, as);
  checkDescription(from, [stageName], linter);
}

function checkDescription(instruction: Instruction, names: readonly string[], linter: Linter): void {
  const [first, second] = names;
  const comment = instruction.comments.at(-1);
  if (comment === undefined || first === undefined) return;
  const [word = ''] = comment.split(' ');
  if (names.includes(word)) return;
  const example = second === undefined ? first : '<arg_key>';
  linter.report('InvalidDefinitionDescription', instruction.range, instruction.kind.toUpperCase(), example);
}

function checkStageNames(dockerfile: Dockerfile, linter: Linter): void {
  const seen = new Set<string>();
  for (const from of dockerfile.instructions) {
    if (from.kind !== 'from' || from.stageName === undefined) continue;
    if (RESERVED_STAGE_NAMES.has(from.stageName)) linter.report('ReservedStageName', from.range, from.stageName);
    if (seen.has(from.stageName)) linter.report('DuplicateStageName', from.range, from.stageName);
    seen.add(from.stageName);
  }
}

/** ARGs before the first FROM are left out, as BuildKit leaves them out. */
function checkKeywordCasing(dockerfile: Dockerfile, linter: Linter): void {
  const first = dockerfile.instructions.findIndex((instruction) => instruction.kind === 'from');
  const instructions = first < 0 ? [] : dockerfile.instructions.slice(first);
  const lower = instructions.filter(({ keyword }) => keyword === keyword.toLowerCase()).length;
  const upper = instructions.filter(({ keyword }) => keyword === keyword.toUpperCase()).length;
  const casing = lower > upper ? 'lowercase' : 'uppercase';
  for (const { keyword, range } of instructions) {
    const wanted = casing === 'lowercase' ? keyword.toLowerCase() : keyword.toUpperCase();
    if (keyword !== wanted) linter.report('ConsistentInstructionCasing', range, keyword, casing);
  }
}
