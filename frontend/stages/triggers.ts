import type { Dockerfile } from '../instructions/instruction.ts';
import { parseTrigger } from '../parser/parse-dockerfile.ts';
import { located } from './located.ts';
import type { Stage, StagePlan } from './stage.ts';
import { type StageNames, stepOf } from './stage-sources.ts';

interface TriggerScope {
  readonly plan: StagePlan;
  readonly dockerfile: Dockerfile;
}

/**
 * Puts the ONBUILD triggers of each stage's base before its own steps, once a stage. Returns whether any of them takes files from
 * somewhere, which may have to be resolved.
 */
export function addTriggers(stages: readonly Stage[], { plan, dockerfile }: TriggerScope): boolean {
  let hasSources = false;
  const byName = new Map(plan.stages.flatMap((stage) => (stage.name === undefined ? [] : [[stage.name, stage]])));
  const names: StageNames = { stages: plan.stages, byName };
  for (const stage of stages) {
    if (stage.hasTriggers === 'added') continue;
    stage.hasTriggers = 'added';
    const origin = { range: stage.range, text: dockerfile.text };
    const steps = located(origin, () =>
      triggersOf(stage).map((text) => stepOf(parseTrigger(text, origin), { dockerfile, names, trigger: stage })),
    );
    stage.steps = [...steps, ...stage.steps];
    hasSources ||= steps.some((step) => step.sources.some((from) => from !== undefined));
  }
  return hasSources;
}

function triggersOf({ parent, base, replacement }: Stage): readonly string[] {
  if (replacement !== undefined) return [];
  if (parent !== undefined)
    return parent.steps.flatMap(({ instruction }) => (instruction.kind === 'onbuild' ? [instruction.expression] : []));
  return base?.kind === 'image' ? (base.image.config.config.OnBuild ?? []) : [];
}
