import type { ExecMount } from '../../solver/vertex.ts';
import type { CommandLine, Heredoc, RunInstruction } from '../instructions/instruction.ts';
import { parseHeredocWord } from '../parser/heredoc.ts';
import type { GraphInputs } from './graph-inputs.ts';
import { inlineFile } from './inline-file.ts';
import type { StageState } from './stage-state.ts';

/** What a RUN runs once its heredocs are taken into account. */
export interface RunScript {
  readonly command: CommandLine;
  /** The folder of a script that runs as a program of its own. */
  mounts(inputs: GraphInputs): readonly ExecMount[];
  /** What the step's name says of the script, ` (npm ci...)`. */
  readonly summary: string;
}

const SCRIPT_FOLDER = '/dev/pipes/';
const SCRIPT_MODE = 0o755;

/**
 * A RUN that is nothing but a heredoc runs its text: with the stage's shell, or as a program where it begins with `#!`. Any other
 * heredocs are put back behind the command, for the shell to read.
 */
export function readScript(run: RunInstruction, state: StageState): RunScript {
  const { command, heredocs } = run;
  const [script] = heredocs;
  if (script === undefined || command.form === 'exec') return plain(command, '');
  if (parseHeredocWord(command.text) === undefined)
    return plain({ form: 'shell', text: withBodies(command.text, heredocs) }, '');
  const summary = ` (${summaryOf(script.rawContent)})`;
  if (state.image.os === 'windows' || !script.rawContent.startsWith('#!'))
    return plain({ form: 'shell', text: script.content }, summary);
  return program(script, summary);
}

function plain(command: CommandLine, summary: string): RunScript {
  return { command, summary, mounts: () => [] };
}

function program({ name, content }: Heredoc, summary: string): RunScript {
  return {
    command: { form: 'shell', text: `${SCRIPT_FOLDER}${name}` },
    summary,
    mounts: (inputs) => [
      {
        type: 'bind',
        target: SCRIPT_FOLDER.slice(0, -1),
        input: inputs.refer(inlineFile({ name, text: content, mode: SCRIPT_MODE })),
        source: '/',
        readwrite: false,
      },
    ],
  };
}

function withBodies(text: string, heredocs: readonly Heredoc[]): string {
  return text + heredocs.map(({ rawContent, name }) => `\n${rawContent}${name}`).join('');
}

function summaryOf(text: string): string {
  const [first = '', ...others] = text.trim().split(/\r?\n/);
  return others.length > 0 ? `${first}...` : first;
}
