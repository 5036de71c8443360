import { SlipwayError } from '../../src/core/errors.ts';
import { expandWord } from '../expand/expand-word.ts';
import type { CopyInstruction, Dockerfile, Instruction } from '../instructions/instruction.ts';
import { located } from './located.ts';
import type { Stage, Step } from './stage.ts';

/** The stages of a Dockerfile: by number, and by lower-cased name, where the last of a name wins. */
export interface StageNames {
  readonly stages: readonly Stage[];
  readonly byName: ReadonlyMap<string, Stage>;
}

interface StepScope {
  readonly dockerfile: Dockerfile;
  readonly names: StageNames;
  /** The FROM that brought the trigger. */
  readonly trigger?: Stage;
}

/** An instruction with the stages and images that its `--from` flags name. */
export function stepOf(instruction: Instruction, { dockerfile, names, trigger }: StepScope): Step {
  const range = trigger?.range ?? instruction.range;
  const sources = located({ range, text: dockerfile.text }, () => sourcesOf(instruction, names, range));
  return { instruction, range, isTrigger: trigger !== undefined, sources };
}

function sourcesOf(instruction: Instruction, names: StageNames, range: Step['range']): Step['sources'] {
  if (instruction.kind === 'copy' && instruction.from !== undefined)
    return [copySource(instruction, instruction.from, names, range)];
  if (instruction.kind !== 'run') return [];
  return instruction.mounts.map(({ from }) =>
    from === undefined || from === '' ? undefined : (names.byName.get(from.toLowerCase()) ?? imageStage(from, range)),
  );
}

function copySource(copy: CopyInstruction, from: string, names: StageNames, range: Step['range']): Stage | undefined {
  if (from === '') return undefined;
  if (expandWord(from, () => undefined, { escape: '\\' }).text !== from)
    throw new SlipwayError(
      'SLIPWAY_COPY_INVALID',
      `variable expansion is not supported for --from, got --from=${from}`,
      {
        hint: 'define a new stage with FROM, using an ARG from before the first FROM, and copy from that stage',
      },
    );
  if (!/^[+-]?\d+$/.test(from)) return names.byName.get(from.toLowerCase()) ?? imageStage(from, range);
  const stage = names.stages[Number(from)];
  if (stage !== undefined) return stage;
  throw new SlipwayError('SLIPWAY_STAGE_UNKNOWN', `invalid stage index ${from} in ${copy.keyword} --from=${from}`, {
    hint: `there are ${names.stages.length} stages, counted from 0`,
  });
}

/** An image, or a named context, as a stage without steps. */
function imageStage(name: string, range: Step['range']): Stage {
  return {
    index: Number.POSITIVE_INFINITY,
    name: undefined,
    label: '',
    from: undefined,
    range,
    baseName: name,
    parent: undefined,
    platform: undefined,
    replacement: undefined,
    usedArgs: new Set(),
    steps: [],
    base: undefined,
    hasTriggers: 'added',
  };
}

/** Throws SLIPWAY_STAGE_CYCLE if stages take files from each other in a circle. `text`: the Dockerfile. */
export function checkCycles(stages: readonly Stage[], text: string): void {
  const done = new Set<Stage>();
  for (const start of stages) {
    // An explicit stack: a chain of stages may be longer than the call stack is deep.
    const path: { readonly stage: Stage; readonly edges: Iterator<Edge> }[] = [];
    const open = new Set<Stage>();
    const enter = (stage: Stage) => {
      if (done.has(stage)) return;
      done.add(stage);
      open.add(stage);
      path.push({ stage, edges: edgesOf(stage) });
    };
    enter(start);
    for (let current = path.at(-1); current !== undefined; current = path.at(-1)) {
      const next = current.edges.next();
      if (next.done === true) {
        open.delete(current.stage);
        path.pop();
      } else {
        if (open.has(next.value.source)) throw cycle(next.value, text);
        enter(next.value.source);
      }
    }
  }
}

interface Edge {
  readonly step: Step;
  readonly source: Stage;
}

function* edgesOf(stage: Stage): Generator<Edge, undefined> {
  for (const step of stage.steps) for (const source of step.sources) if (source !== undefined) yield { step, source };
}

function cycle({ source, step }: Edge, text: string): SlipwayError {
  const name = source.name ?? (source.label || 'stage-0');
  return new SlipwayError('SLIPWAY_STAGE_CYCLE', `circular dependency detected on stage: ${name}`, {
    hint: 'a stage can only take files from stages above it',
    source: { range: step.range, text },
  });
}

/** `target` and every stage and image that it needs, directly or not. */
export function reachableFrom(roots: readonly Stage[]): ReadonlySet<Stage> {
  const found = new Set<Stage>(roots);
  for (const stage of found) {
    if (stage.parent !== undefined) found.add(stage.parent);
    for (const { source } of edgesOf(stage)) found.add(source);
  }
  return found;
}
