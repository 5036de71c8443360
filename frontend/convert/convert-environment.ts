import type { ArgInstruction, EnvInstruction } from '../instructions/instruction.ts';
import { reportSecret } from '../lint/secret-names.ts';
import { setLast } from '../stages/global-args.ts';
import { addHistory } from './history.ts';
import type { StageState, StepScope } from './stage-state.ts';
import { expand, NOT_VARIABLES } from './variables.ts';

/** ENV: every value sees the variables as they were before the instruction. */
export function convertEnv(env: EnvInstruction, state: StageState, scope: StepScope): void {
  const pairs = env.pairs.map(({ key, value }) => ({
    key: expand(key, state, scope),
    value: expand(value, state, scope),
  }));
  for (const { key, value } of pairs) {
    if (env.legacy) scope.linter.report('LegacyKeyValueFormat', scope.step.range, env.keyword);
    reportSecret('ENV', key, { linter: scope.linter, range: scope.step.range });
    setLast(state.env, key, value);
    state.image.env.set(key, value);
  }
  addHistory(state, `ENV ${pairs.map(({ key, value }) => `${key}=${value}`).join(' ')}`, 'empty');
}

/** ARG: a build argument, else the default, else the global ARG of that name. Later ones of an instruction see the earlier ones. */
export function convertArg(instruction: ArgInstruction, state: StageState, scope: StepScope): void {
  const declared = instruction.args.map(({ key, value: fallback, comment }) => {
    reportSecret('ARG', key, { linter: scope.linter, range: scope.step.range });
    const value = argValue(key, fallback, { state, scope });
    if (value !== undefined && !NOT_VARIABLES.has(key)) setLast(state.env, key, value);
    const isTakenIn = fallback === undefined && !Object.hasOwn(scope.request.buildArgs, key) && value !== undefined;
    state.buildArgs.push({
      key,
      value,
      declared: isTakenIn
        ? undefined
        : {
            key,
            ...(value === undefined ? {} : { value }),
            ...(comment === undefined ? {} : { comment }),
            range: scope.step.range,
            dependsOn: new Set(),
          },
    });
    return value === undefined ? key : `${key}=${value}`;
  });
  addHistory(state, `ARG ${declared.join(' ')}`, 'empty');
}

function argValue(
  key: string,
  fallback: string | undefined,
  { state, scope }: { readonly state: StageState; readonly scope: StepScope },
): string | undefined {
  const { buildArgs } = scope.request;
  if (Object.hasOwn(buildArgs, key)) return buildArgs[key];
  return fallback === undefined ? scope.globals.values.get(key) : expand(fallback, state, scope);
}
