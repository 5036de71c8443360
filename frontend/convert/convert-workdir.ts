import { vertex } from '../../solver/vertex.ts';
import type { WorkdirInstruction } from '../instructions/instruction.ts';
import { addHistory } from './history.ts';
import { ownerOf } from './owner.ts';
import { joinPath, rootedPath } from './paths.ts';
import type { StageState, StepScope } from './stage-state.ts';
import { displayText, nextStepName } from './step-name.ts';
import { expand } from './variables.ts';

const FOLDER_MODE = 0o755;

/** WORKDIR: makes the folder, which is a layer unless it is the root. */
export function convertWorkdir(instruction: WorkdirInstruction, state: StageState, scope: StepScope): void {
  const path = expand(instruction.path, state, scope);
  if (!state.hasWorkdir && !path.startsWith('/')) scope.linter.report('WorkdirRelativePath', scope.step.range, path);
  state.hasWorkdir = true;
  enterFolder(path, state);
  if (state.workdir !== '/') makeFolder(instruction, state, scope);
  addHistory(state, `WORKDIR ${state.workdir}`, state.workdir === '/' ? 'empty' : 'folder');
}

/** Changes the working directory of the stage and of its image; a relative path starts at the present one, an empty one stays there. */
export function enterFolder(path: string, state: StageState): void {
  const current = state.image.config.WorkingDir ?? '/';
  const wanted = path === '' ? current : path;
  const joined = wanted.startsWith('/') ? wanted : joinPath('/', current, path);
  state.image.config.WorkingDir = joined;
  state.workdir = joined;
}

function makeFolder(instruction: WorkdirInstruction, state: StageState, scope: StepScope): void {
  const { user } = state;
  const name = displayText(instruction.original, state.env, { escape: scope.dockerfile.escape });
  state.root = vertex(
    {
      kind: 'file',
      root: state.root === 'scratch' ? 'scratch' : 0,
      actions: [
        {
          action: 'mkdir',
          path: rootedPath(state.workdir),
          mode: FOLDER_MODE,
          parents: true,
          ...(user === '' ? {} : { owner: ownerOf(user) }),
        },
      ],
    },
    state.root === 'scratch' ? [] : [state.root],
    { name: nextStepName(name, state, scope), stage: state.stage.label, source: scope.source },
  );
}
