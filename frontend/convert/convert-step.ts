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
      convertCopy(instruction, state, scope);
      break;
    case 'arg':
      convertArg(instruction, state, scope);
      break;
    case 'cmd':
      convertCmd(instruction, state, scope);
      break;
    case 'entrypoint':
      convertEntrypoint(instruction, state, scope);
      break;
    case 'env':
      convertEnv(instruction, state, scope);
      break;
    case 'expose':
      convertExpose(instruction, state, scope);
      break;
    case 'from':
      throw new Error('internal: FROM is no step of a stage');
    case 'healthcheck':
      convertHealthcheck(instruction, state, scope);
      break;
    case 'label':
      convertLabel(instruction, state, scope);
      break;
    case 'maintainer':
      convertMaintainer(instruction, state);
      break;
    case 'onbuild':
      convertOnbuild(instruction, state);
      break;
    case 'run':
      convertRun(instruction, state, scope);
      break;
    case 'shell':
      convertShell(instruction, state);
      break;
    case 'stopsignal':
      convertStopsignal(instruction, state, scope);
      break;
    case 'user':
      convertUser(instruction, state, scope);
      break;
    case 'volume':
      convertVolume(instruction, state, scope);
      break;
    case 'workdir':
      convertWorkdir(instruction, state, scope);
      break;
    default:
      instruction satisfies never;
  }
}
