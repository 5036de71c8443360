import { SlipwayError } from '../../src/core/errors.ts';
import type { HealthConfig } from '../../src/core/image-config.ts';
import type {
  CmdInstruction,
  CommandLine,
  EntrypointInstruction,
  HealthcheckInstruction,
  LabelInstruction,
  MaintainerInstruction,
  OnbuildInstruction,
  ShellInstruction,
  StopsignalInstruction,
  UserInstruction,
  VolumeInstruction,
} from '../instructions/instruction.ts';
import { goHealthcheck, goList, goQuoteList } from './go-format.ts';
import { addHistory } from './history.ts';
import { isSignal } from './signals.ts';
import type { StageState, StepScope } from './stage-state.ts';
import { expand } from './variables.ts';

/** Instructions that change nothing but the image config: one function each. */

export function convertLabel(label: LabelInstruction, state: StageState, scope: StepScope): void {
  const pairs = label.pairs.map(({ key, value }) => [expand(key, state, scope), expand(value, state, scope)] as const);
  if (label.legacy) scope.linter.report('LegacyKeyValueFormat', scope.step.range, label.keyword);
  for (const [key, value] of pairs) state.image.labels.set(key, value);
  addHistory(state, `LABEL ${pairs.map(([key, value]) => `${key}=${value}`).join(' ')}`, 'empty');
}

export function convertMaintainer({ name }: MaintainerInstruction, state: StageState): void {
  state.image.author = name;
  addHistory(state, `MAINTAINER ${name}`, 'empty');
}

export function convertUser(instruction: UserInstruction, state: StageState, scope: StepScope): void {
  const user = expand(instruction.user, state, scope);
  state.user = user;
  state.image.config.User = user;
  addHistory(state, `USER ${user}`, 'empty');
}

export function convertVolume(instruction: VolumeInstruction, state: StageState, scope: StepScope): void {
  const paths = instruction.paths.map((path) => expand(path, state, scope));
  if (paths.includes(''))
    throw new SlipwayError('SLIPWAY_VOLUME_INVALID', 'VOLUME specified can not be an empty string', {
      hint: 'a variable in it may not be set',
    });
  for (const path of paths) state.image.volumes.add(path);
  addHistory(state, `VOLUME ${goList(paths)}`, 'empty');
}

export function convertStopsignal(instruction: StopsignalInstruction, state: StageState, scope: StepScope): void {
  const signal = expand(instruction.signal, state, scope);
  if (!isSignal(signal))
    throw new SlipwayError('SLIPWAY_SIGNAL_INVALID', `invalid signal: ${signal}`, {
      hint: 'give a name such as SIGTERM or QUIT, or a number',
    });
  state.image.config.StopSignal = signal;
  addHistory(state, `STOPSIGNAL ${signal}`, 'empty');
}

export function convertShell({ args }: ShellInstruction, state: StageState): void {
  state.image.config.Shell = args;
  addHistory(state, `SHELL ${goList(args)}`, 'empty');
}

export function convertOnbuild({ expression }: OnbuildInstruction, state: StageState): void {
  state.image.triggers.push(expression);
}

export function convertCmd(cmd: CmdInstruction, state: StageState, scope: StepScope): void {
  reportRepeated('cmd', cmd.keyword, { state, scope });
  const args = startCommand(cmd, state, scope);
  state.image.config.Cmd = args;
  state.image.config.ArgsEscaped = true;
  addHistory(state, `CMD ${goQuoteList(args)}`, 'empty');
}

/** ENTRYPOINT forgets a CMD of the base: it was made for another one. */
export function convertEntrypoint(entrypoint: EntrypointInstruction, state: StageState, scope: StepScope): void {
  reportRepeated('entrypoint', entrypoint.keyword, { state, scope });
  const args = startCommand(entrypoint, state, scope);
  state.image.config.Entrypoint = args;
  if (!state.lastSeen.has('cmd')) delete state.image.config.Cmd;
  addHistory(state, `ENTRYPOINT ${goQuoteList(args)}`, 'empty');
}

export function convertHealthcheck(instruction: HealthcheckInstruction, state: StageState, scope: StepScope): void {
  reportRepeated('healthcheck', instruction.keyword, { state, scope });
  const { test, interval, timeout, startPeriod, startInterval, retries } = instruction;
  const health: HealthConfig = {
    Test: test,
    ...(interval ? { Interval: interval } : {}),
    ...(timeout ? { Timeout: timeout } : {}),
    ...(startPeriod ? { StartPeriod: startPeriod } : {}),
    ...(startInterval ? { StartInterval: startInterval } : {}),
    ...(retries ? { Retries: retries } : {}),
  };
  state.image.config.Healthcheck = health;
  addHistory(state, `HEALTHCHECK ${goHealthcheck(health)}`, 'empty');
}

/** A command line with the stage's shell in front of the shell form. */
export function withShell(command: CommandLine, { image }: StageState): readonly string[] {
  if (command.form === 'exec') return command.args;
  const { Shell: shell } = image.config;
  const standard = image.os === 'windows' ? ['cmd', '/S', '/C'] : ['/bin/sh', '-c'];
  return [...(shell === undefined || shell.length === 0 ? standard : shell), command.text];
}

function startCommand(
  { command, keyword }: CmdInstruction | EntrypointInstruction,
  state: StageState,
  { linter, step }: StepScope,
): readonly string[] {
  const hasShell = (state.image.config.Shell ?? []).length > 0;
  if (command.form === 'shell' && !hasShell) linter.report('JSONArgsRecommended', step.range, keyword);
  return withShell(command, state);
}

/** Warns at the earlier place, because that one is not used. */
function reportRepeated(
  kind: 'cmd' | 'entrypoint' | 'healthcheck',
  keyword: string,
  { state, scope }: { readonly state: StageState; readonly scope: StepScope },
): void {
  const before = state.lastSeen.get(kind);
  if (before !== undefined) scope.linter.report('MultipleInstructionsDisallowed', before, keyword);
  state.lastSeen.set(kind, scope.step.range);
}
