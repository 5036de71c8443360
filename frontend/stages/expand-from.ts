import { SlipwayError } from '../../src/core/errors.ts';
import { type Platform, parsePlatform } from '../../src/core/platform.ts';
import { parseReference } from '../../src/core/reference.ts';
import { suggest } from '../../src/core/suggest.ts';
import { expandWord } from '../expand/expand-word.ts';
import type { Dockerfile, FromInstruction } from '../instructions/instruction.ts';
import type { Linter } from '../lint/linter.ts';
import { suggestVariable } from '../lint/suggest-variable.ts';
import type { GlobalArgs } from './stage.ts';

/** A FROM with its variables replaced. */
export interface ExpandedFrom {
  readonly baseName: string;
  readonly platform: Platform | undefined;
  /** Global ARGs that it uses. */
  readonly usedArgs: ReadonlySet<string>;
}

interface FromScope {
  readonly dockerfile: Dockerfile;
  readonly globals: GlobalArgs;
  readonly linter: Linter;
}

/** Expands the image and `--platform` of a FROM with the global ARGs. */
export function expandFrom(from: FromInstruction, scope: FromScope): ExpandedFrom {
  const name = expandIn(from.image, scope);
  reportUndeclared(from, name.unmatched, scope);
  if (name.text === '') throw blankBase(from, name.unmatched, scope);
  if (from.platform === undefined) return { baseName: name.text, platform: undefined, usedArgs: name.matched };
  const platform = expandIn(from.platform, scope);
  reportUndeclared(from, platform.unmatched, scope);
  reportPlatform(from, platform, scope);
  return {
    baseName: name.text,
    platform: platformOf(from.platform, platform, scope),
    usedArgs: new Set([...name.matched, ...platform.matched]),
  };
}

/**
 * Warns of bases that are no image reference when every global ARG has its default; `evaluate` gives those values. Says nothing where
 * there are none: an ARG may require its build argument.
 */
export function checkDefaultBases(
  froms: readonly FromInstruction[],
  evaluate: () => ReadonlyMap<string, string>,
  scope: Pick<FromScope, 'dockerfile' | 'linter'>,
): void {
  const defaults = ignoringErrors(evaluate);
  if (defaults === undefined) return;
  for (const from of froms) {
    const name = ignoringErrors(() =>
      expandWord(from.image, (key) => defaults.get(key), { escape: scope.dockerfile.escape }),
    );
    if (name === undefined) return;
    if (ignoringErrors(() => parseReference(name.text)) === undefined)
      scope.linter.report('InvalidDefaultArgInFrom', from.range, from.image);
  }
}

type Expanded = ReturnType<typeof expandWord>;

function expandIn(word: string, { dockerfile, globals }: FromScope): Expanded {
  return expandWord(word, (key) => globals.values.get(key), { escape: dockerfile.escape });
}

function reportUndeclared(from: FromInstruction, unmatched: ReadonlySet<string>, { globals, linter }: FromScope): void {
  const declared = new Set([...globals.declared.keys(), ...globals.values.keys()]);
  for (const name of unmatched) {
    if (!declared.has(name))
      linter.report('UndefinedArgInFrom', from.range, name, suggestVariable(name, declared) ?? '');
  }
}

function blankBase(from: FromInstruction, unmatched: ReadonlySet<string>, { dockerfile }: FromScope): SlipwayError {
  const declaration = dockerfile.instructions.find(
    (instruction) => instruction.kind === 'arg' && instruction.args.some((arg) => unmatched.has(arg.key)),
  );
  const first = dockerfile.instructions.find((instruction) => instruction.kind === 'from');
  const isInStage = declaration !== undefined && declaration.range.startLine > (first?.range.startLine ?? 0);
  return new SlipwayError('SLIPWAY_FROM_INVALID', `base name (${from.image}) should not be blank`, {
    hint: isInStage
      ? 'FROM sees only ARGs that stand before the first FROM: move the ARG up'
      : 'declare the ARG before the first FROM, and give it a default or pass --build-arg',
  });
}

function platformOf(written: string, expanded: Expanded, { globals }: FromScope): Platform {
  const meant = suggestAny(expanded.unmatched, globals.values.keys());
  if (expanded.text === '')
    throw new SlipwayError('SLIPWAY_PLATFORM_INVALID', `empty platform value from expression ${written}${meant}`, {
      hint: 'declare the ARG before the first FROM; BUILDPLATFORM and TARGETPLATFORM are always there',
    });
  try {
    return parsePlatform(expanded.text);
  } catch (cause) {
    if (!(cause instanceof SlipwayError)) throw cause;
    throw new SlipwayError(
      'SLIPWAY_PLATFORM_INVALID',
      `failed to parse platform ${written}: ${cause.message}${meant}`,
      {
        cause,
        ...(cause.hint === undefined ? {} : { hint: cause.hint }),
      },
    );
  }
}

function suggestAny(words: Iterable<string>, candidates: Iterable<string>): string {
  const known = [...candidates];
  for (const word of words) {
    const meant = suggest(word, known);
    if (meant !== undefined) return ` (did you mean ${meant}?)`;
  }
  return '';
}

function reportPlatform(from: FromInstruction, expanded: Expanded, { globals, linter }: FromScope): void {
  const { matched, unmatched, text } = expanded;
  if (matched.size === 1 && unmatched.size === 0 && matched.has('TARGETPLATFORM')) {
    if (text === globals.values.get('TARGETPLATFORM'))
      linter.report('RedundantTargetPlatform', from.range, from.platform ?? '');
  }
  if (matched.size > 0 || unmatched.size > 0) return;
  const platform = ignoringErrors(() => parsePlatform(text));
  if (platform === undefined) return;
  const stage = from.stageName ?? '';
  if (!stage.includes(platform.os) && !stage.includes(platform.architecture))
    linter.report('FromPlatformFlagConstDisallowed', from.range, text);
}

/** The result, or undefined where it is refused: checks look at texts that fail later with their own errors. */
function ignoringErrors<Result>(action: () => Result): Result | undefined {
  try {
    return action();
  } catch (error) {
    if (error instanceof SlipwayError) return undefined;
    throw error;
  }
}
