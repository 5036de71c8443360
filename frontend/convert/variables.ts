import { type ExpandOptions, type Expansion, expandWord } from '../expand/expand-word.ts';
import { suggestVariable } from '../lint/suggest-variable.ts';
import type { StageState, StepScope } from './stage-state.ts';

/** BuildKit's settings for the scanner of SBOMs: declared as ARGs, never variables. */
export const NOT_VARIABLES: ReadonlySet<string> = new Set(['BUILDKIT_SBOM_SCAN_CONTEXT', 'BUILDKIT_SBOM_SCAN_STAGE']);

/** A word of an instruction with quotes taken off and the stage's variables replaced. Unknown ones are warned of. */
export function expand(word: string, state: StageState, scope: StepScope): string {
  return expandAs(word, { state, scope, options: { escape: scope.dockerfile.escape } });
}

/** The body of a heredoc with variables replaced and everything else left as it is. */
export function expandHeredoc(text: string, state: StageState, scope: StepScope): string {
  return expandAs(text, { state, scope, options: { escape: '\\', quotes: 'literal' } });
}

interface Expanding {
  readonly state: StageState;
  readonly scope: StepScope;
  readonly options: ExpandOptions;
}

function expandAs(text: string, { state, scope, options }: Expanding): string {
  const expansion = expandWord(text, (name) => state.env.get(name), options);
  reportUndefined(expansion, state, scope);
  return expansion.text;
}

function reportUndefined({ unmatched }: Expansion, state: StageState, { linter, step }: StepScope): void {
  if (unmatched.size === 0) return;
  const declared = new Set(state.buildArgs.map((arg) => arg.key));
  for (const name of unmatched) {
    if (declared.has(name) || NOT_VARIABLES.has(name)) continue;
    linter.report('UndefinedVar', step.range, name, suggestVariable(name, state.env.keys()) ?? '');
  }
}
