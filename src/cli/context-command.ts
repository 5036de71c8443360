import { Command, CommanderError } from 'commander';
import type { ContextReport, ContextReportRequest, ReportedFile } from '../context-report.ts';
import { displayPath } from '../core/byte-path.ts';
import { SlipwayError } from '../core/errors.ts';
import { contextListing, fileExplanation } from './context-text.ts';
import { errorReport } from './error-report.ts';
import { invalidOption } from './options/invalid-option.ts';
import { parseBuildArgs } from './options/key-values.ts';

/** What `slipway help context` prints below the options. */
const EXAMPLES = `
  slipway context ls            what the build in this folder would see, the largest files first
  slipway context why app.log   whether the build sees app.log, the rule that decides, and who reads it

A base image is not looked at, so what it sets in variables or ONBUILD does not count.
`;

interface Options {
  readonly file?: string;
  readonly target?: string;
  readonly buildArg: readonly string[];
  readonly format: string;
  readonly all: boolean;
}

type Invocation =
  | { readonly kind: 'help'; readonly text: string }
  | { readonly kind: 'ls'; readonly context: string; readonly options: Options }
  | { readonly kind: 'why'; readonly path: string; readonly context: string; readonly options: Options };

/** `slipway context ls|why`: resolves to the exit status (0 done, 1 failed, 2 the command line is wrong). */
export async function runContextCommand(args: readonly string[]): Promise<number> {
  try {
    const invocation = parseContextArguments(args);
    if (invocation.kind === 'help') {
      process.stdout.write(invocation.text);
      return 0;
    }
    const { reportContext } = await import('../context-report.ts');
    const report = await reportContext(requestOf(invocation));
    process.stdout.write(invocation.kind === 'ls' ? list(report, invocation.options) : explain(report, invocation));
    return 0;
  } catch (error) {
    process.stderr.write(errorReport(error, { debug: false }));
    return error instanceof SlipwayError && error.code.startsWith('SLIPWAY_OPTION_') ? 2 : 1;
  }
}

/** Splits the arguments behind `context`. Errors have codes that begin with SLIPWAY_OPTION_. */
export function parseContextArguments(args: readonly string[]): Invocation {
  let found: Invocation | undefined;
  const command = new Command('slipway context')
    .description('Shows what a build would see of its context.')
    .addHelpText('after', EXAMPLES)
    .helpCommand(false)
    .exitOverride()
    .configureOutput({ writeOut: () => {}, writeErr: () => {} });
  const withOptions = (sub: Command) =>
    sub
      .option('-f, --file <file>', 'the Dockerfile (default: Dockerfile in CONTEXT)')
      .option('--target <stage>', 'only what this stage needs')
      .option('--build-arg <name=value>', 'set an ARG', (value, all: readonly string[]) => [...all, value], [])
      .option('--format <format>', 'text or json', 'text')
      .configureOutput({ writeOut: () => {}, writeErr: () => {} })
      .exitOverride();
  withOptions(command.command('ls').argument('[CONTEXT]', 'a folder', '.'))
    .description('list the files, the largest first')
    .option('--all', 'all files, not only the largest', false)
    .action((context: string, options: Options) => {
      found = { kind: 'ls', context, options };
    });
  withOptions(command.command('why').argument('<FILE>').argument('[CONTEXT]', 'a folder', '.'))
    .description('say why a file is or is not in the context')
    .action((path: string, context: string, options: Options) => {
      found = { kind: 'why', path, context, options };
    });
  return parsed(command, args) ?? found ?? { kind: 'help', text: command.helpInformation() + EXAMPLES };
}

function parsed(command: Command, args: readonly string[]): Invocation | undefined {
  try {
    command.parse(args, { from: 'user' });
    return undefined;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === 'commander.helpDisplayed' || error.code === 'commander.help') {
      const sub = command.commands.find((one) => one.name() === args[0]);
      return { kind: 'help', text: sub?.helpInformation() ?? command.helpInformation() + EXAMPLES };
    }
    throw new SlipwayError('SLIPWAY_OPTION_INVALID', error.message.replace(/^error: /, '').replace(/\n.*/s, ''), {
      hint: 'slipway context --help lists the commands and options',
    });
  }
}

function requestOf({ context, options }: Exclude<Invocation, { kind: 'help' }>): ContextReportRequest {
  if (options.format !== 'text' && options.format !== 'json')
    throw invalidOption('--format', `"${options.format}": expected text or json`);
  return {
    context,
    buildArgs: parseBuildArgs(options.buildArg, process.env),
    cwd: process.cwd(),
    signal: new AbortController().signal,
    ...(options.file === undefined ? {} : { file: options.file }),
    ...(options.target === undefined ? {} : { target: options.target }),
  };
}

function list(report: ContextReport, { format, all }: Options): string {
  if (format === 'text') return contextListing(report, all ? 'all' : 'largest');
  const { folder, dockerfile, files, missing } = report;
  return json({ folder: displayPath(folder), dockerfile, files: files.map(jsonFile), missing });
}

function explain(report: ContextReport, { path, options }: Invocation & { kind: 'why' }): string {
  const wanted = path.replace(/^\.?\/+/, '').replace(/\/+$/, '');
  const inside = report.files.filter(({ path: at }) => {
    const shown = displayPath(at);
    return shown === wanted || shown.startsWith(`${wanted}/`);
  });
  if (inside.length === 0)
    throw new SlipwayError('SLIPWAY_CONTEXT_FILE_MISSING', `"${path}" is not in ${displayPath(report.folder)}`, {
      hint: 'name a file or folder by its path in the context',
    });
  if (options.format === 'json') return json(inside.map(jsonFile));
  return inside.map(fileExplanation).join('\n');
}

function jsonFile({ path, type, size, isExcluded, rule, usedBy }: ReportedFile): object {
  return { path: displayPath(path), type, size, excluded: isExcluded, rule, usedBy };
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
