import { convertCopy } from './convert-copy.ts';
import { convertArg, convertEnv } from './convert-environment.ts';
import { convertExpose } from './convert-expose.ts';
import {
  convertCmd,
  convertEntrypoint,
  convertHealthcheck,
  convertLabel,
  convertMaintainer,
  convertOnbuild,
  convertShell,
  convertStopsignal,
  convertUser,
  convertVolume,
} from './convert-metadata.ts';
import { convertRun } from './convert-run.ts';
import { convertWorkdir } from './convert-workdir.ts';
import type { StageState, StepScope } from './stage-state.ts';

/** Carries out one step on paper: changes the filesystem, the variables and the image config of its stage. */
export function convertStep(state: StageState, scope: StepScope): void {
  const { instruction } = scope.step;
  switch (instruction.kind) {
    case 'add':
    case 'copy':
      return convertCopy(instruction, state, scope);
    case 'arg':
      return convertArg(instruction, state, scope);
    case 'cmd':
      return convertCmd(instruction, state, scope);
    case 'entrypoint':
      return convertEntrypoint(instruction, state, scope);
    case 'env':
      return convertEnv(instruction, state, scope);
    case 'expose':
      return convertExpose(instruction, state, scope);
    case 'from':
      throw new Error('internal: FROM is no step of a stage');
    case 'healthcheck':
      return convertHealthcheck(instruction, state, scope);
    case 'label':
      return convertLabel(instruction, state, scope);
    case 'maintainer':
      return convertMaintainer(instruction, state);
    case 'onbuild':
      return convertOnbuild(instruction, state);
    case 'run':
      return convertRun(instruction, state, scope);
    case 'shell':
      return convertShell(instruction, state);
    case 'stopsignal':
      return convertStopsignal(instruction, state, scope);
    case 'user':
      return convertUser(instruction, state, scope);
    case 'volume':
      return convertVolume(instruction, state, scope);
    case 'workdir':
      return convertWorkdir(instruction, state, scope);
    default:
      return instruction satisfies never;
  }
}
