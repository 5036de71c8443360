import { SlipwayError } from '../../src/core/errors.ts';
import { formatPlatform, type Platform, parsePlatform } from '../../src/core/platform.ts';
import { type ExpandOptions, expandWord } from '../expand/expand-word.ts';
import type { StageState, StepScope } from './stage-state.ts';

/** What of a step its name depends on. */
export interface NameScope extends Pick<StepScope, 'request'> {
  readonly step: Pick<StepScope['step'], 'isTrigger'>;
}

/** A step as progress shows it, `[stage 2/5] RUN npm ci`. Counts the step, so it is called once a step and in order. */
export function nextStepName(text: string, state: StageState, scope: NameScope): string {
  state.stepsNamed++;
  return stepName(text, state, scope);
}

/** The name of the current step with another text. */
export function stepName(text: string, state: StageState, { request, step }: NameScope): string {
  if (state.stepCount === 0) return text;
  const platform = request.multiPlatform ? `${formatPlatform(state.platform)}${crossTarget(state)} ` : '';
  const label = state.stage.label === '' ? '' : `${state.stage.label} `;
  const number = String(state.stepsNamed).padStart(String(state.stepCount).length);
  return `[${platform}${label}${number}/${state.stepCount}] ${step.isTrigger ? 'ONBUILD ' : ''}${text}`;
}

/** An instruction's text for its name: keyword in upper case, variables replaced; as written where that fails. */
export function displayText(original: string, env: ReadonlyMap<string, string>, options: ExpandOptions): string {
  const text = expandedOrWritten(original, env, options);
  const space = text.indexOf(' ');
  return space < 0 ? text.toUpperCase() : text.slice(0, space).toUpperCase() + text.slice(space);
}

function expandedOrWritten(text: string, env: ReadonlyMap<string, string>, options: ExpandOptions): string {
  try {
    return expandWord(text, (name) => env.get(name), options).text;
  } catch (error) {
    if (error instanceof SlipwayError) return text;
    throw error;
  }
}

/** `->arm64` for a stage that runs on one platform and builds for another, as its TARGET variables say. */
function crossTarget({ env, platform }: StageState): string {
  const target = targetOf(env, platform);
  if (target === undefined) return '';
  if (target.os !== platform.os) return `->${formatPlatform(target)}`;
  if (target.architecture === platform.architecture) return '';
  return `->${target.architecture}${target.variant === undefined ? '' : `/${target.variant}`}`;
}

function targetOf(env: ReadonlyMap<string, string>, base: Platform): Platform | undefined {
  const whole = env.get('TARGETPLATFORM');
  const [os, architecture, variant] = ['TARGETOS', 'TARGETARCH', 'TARGETVARIANT'].map((name) => env.get(name));
  if (whole === undefined && os === undefined && architecture === undefined && variant === undefined) return undefined;
  try {
    const suffix = variant ? `/${variant}` : '';
    return parsePlatform(whole || `${os || base.os}/${architecture || base.architecture}${suffix}`);
  } catch (error) {
    if (error instanceof SlipwayError) return undefined;
    throw error;
  }
}
