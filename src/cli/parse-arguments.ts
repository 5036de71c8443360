import { Command, CommanderError, Option } from 'commander';
import { SlipwayError } from '../core/errors.ts';
import { BUILD_OPTIONS, type BuildOption } from './build-options.ts';

/** The arguments of `slipway build`, split but not yet understood: every option's values in order. */
export interface BuildArguments {
  readonly context: string;
  readonly options: ReadonlyMap<string, readonly string[]>;
}

/** What the arguments of `slipway build` ask for. */
export type ParsedArguments =
  | { readonly kind: 'build'; readonly arguments: BuildArguments }
  | { readonly kind: 'help'; readonly text: string };

/** A command that takes a build's options. */
export interface CommandShape {
  readonly name: string;
  readonly description: string;
  readonly options: readonly BuildOption[];
  /** What stands behind the options, where that is no CONTEXT: one that may be left out, or nothing. */
  readonly operand?: { readonly name: string; readonly otherwise: string } | 'none';
}

export const BUILD_COMMAND: CommandShape = {
  name: 'build',
  description: 'Builds an image from a Dockerfile. CONTEXT is a folder, -, or the URL of a tarball or Git repository.',
  options: BUILD_OPTIONS,
};

/** Splits the arguments behind the command's name. Errors have codes that begin with SLIPWAY_OPTION_. */
export function parseArguments(args: readonly string[], shape: CommandShape = BUILD_COMMAND): ParsedArguments {
  const words = spellOut(args, shape.options);
  const command = commandOf({ ...shape, options: optionsIn(words, shape.options) });
  try {
    command.parse(words, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === 'commander.helpDisplayed') return { kind: 'help', text: command.helpInformation() };
    throw usageError(error, shape);
  }
  const { operand } = shape;
  const otherwise = operand === 'none' ? '' : operand?.otherwise;
  const [context = otherwise, ...more] = command.args;
  if (context === undefined || more.length > 0 || (operand === 'none' && command.args.length > 0))
    throw contextError(command.args, shape);
  return { kind: 'build', arguments: { context, options: new Map(Object.entries(command.opts<Values>())) } };
}

type Values = Record<string, readonly string[]>;

/**
 * The options that the words name; all of them where one is not known, or may be the value of another. To tell commander of sixty options
 * takes as long as all the rest of reading a command line.
 */
function optionsIn(words: readonly string[], options: readonly BuildOption[]): readonly BuildOption[] {
  const dashed = words.filter((word) => word.startsWith('-') && word !== '-' && word !== '--');
  const named = dashed.map((word) =>
    options.find(({ name, short }) => word === `-${short}` || word.split('=', 1)[0] === `--${name}`),
  );
  return named.includes(undefined) ? options : options.filter((option) => named.includes(option));
}

function commandOf({ name, description, options, operand }: CommandShape): Command {
  const command = new Command(`slipway ${name}`)
    .usage(['[OPTIONS]', operandUsage(operand)].join(' ').trim())
    .description(description)
    .argument('[context...]')
    .helpOption('-h, --help', 'print this')
    .exitOverride()
    .configureOutput({ writeOut: () => {}, writeErr: () => {} })
    .configureHelp({
      optionTerm: (option) => option.flags.replace(/ <bool>$/, ''),
      visibleArguments: () => [],
    });
  for (const option of options) command.addOption(commanderOption(option));
  return command;
}

function operandUsage(operand: CommandShape['operand']): string {
  if (operand === undefined) return 'CONTEXT';
  return operand === 'none' ? '' : `[${operand.name}]`;
}

function commanderOption({ name, short, kind, value, help, hidden }: BuildOption): Option {
  const flags = `${short === undefined ? '' : `-${short}, `}--${name} <${kind === 'switch' ? 'bool' : (value ?? 'value')}>`;
  const option = new Option(flags, help);
  option.negate = false; // commander takes --no-cache for the opposite of an option --cache
  option.attributeName = () => name;
  option.argParser((text: string, before: readonly string[] | undefined) => [...(before ?? []), text]);
  return hidden ? option.hideHelp() : option;
}

/**
 * Writes what docker's parser (pflag) understands and commander does not in a form that both do: `--pull` as `--pull=true`, `-f=x` as
 * `-f x`, `-qt x` as `--quiet=true -t x`.
 */
export function spellOut(args: readonly string[], options: readonly BuildOption[] = BUILD_OPTIONS): string[] {
  const result: string[] = [];
  for (let index = 0; index < args.length; index++) {
    const argument = args[index] ?? '';
    if (argument === '--') return [...result, ...args.slice(index)];
    const { words, wantsValue } = spellOutOne(argument, options);
    result.push(...words);
    if (wantsValue && index + 1 < args.length) result.push(args[++index] ?? '');
  }
  return result;
}

function spellOutOne(
  argument: string,
  options: readonly BuildOption[],
): { readonly words: readonly string[]; readonly wantsValue: boolean } {
  if (argument.startsWith('--')) {
    const option = options.find(({ name }) => argument === `--${name}`);
    if (option === undefined) return { words: [argument], wantsValue: false };
    return option.kind === 'switch'
      ? { words: [`${argument}=true`], wantsValue: false }
      : { words: [argument], wantsValue: true };
  }
  const option = options.find(({ short }) => short !== undefined && argument.startsWith(`-${short}`));
  if (option === undefined) return { words: [argument], wantsValue: false };
  const rest = argument.slice(2);
  if (option.kind !== 'switch') {
    if (rest === '') return { words: [argument], wantsValue: true };
    return { words: [argument.slice(0, 2), rest.replace(/^=/, '')], wantsValue: false };
  }
  if (rest === '') return { words: [`--${option.name}=true`], wantsValue: false };
  if (rest.startsWith('=')) return { words: [`--${option.name}${rest}`], wantsValue: false };
  const { words, wantsValue } = spellOutOne(`-${rest}`, options);
  return { words: [`--${option.name}=true`, ...words], wantsValue };
}

function seeHelp({ name }: CommandShape): string {
  return `slipway ${name} --help lists the options`;
}

function usageError(error: CommanderError, shape: CommandShape): SlipwayError {
  const [message = '', suggestion] = error.message.replace(/^error: /, '').split('\n');
  const meant = /^\(Did you mean (.*)\?\)$/.exec(suggestion ?? '')?.[1];
  const code = error.code === 'commander.unknownOption' ? 'SLIPWAY_OPTION_UNKNOWN' : 'SLIPWAY_OPTION_INVALID';
  return new SlipwayError(code, message, { hint: meant === undefined ? seeHelp(shape) : `did you mean ${meant}?` });
}

function contextError(given: readonly string[], shape: CommandShape): SlipwayError {
  const { operand } = shape;
  if (operand !== undefined) {
    const most = operand === 'none' ? 'nothing behind its options' : `one ${operand.name} at most`;
    const words = given.map((word) => JSON.stringify(word)).join(' ');
    return new SlipwayError('SLIPWAY_OPTION_INVALID', `slipway ${shape.name} takes ${most}, got ${words}`, {
      hint: seeHelp(shape),
    });
  }
  const got = given.length === 0 ? 'none' : given.map((word) => JSON.stringify(word)).join(' ');
  return new SlipwayError('SLIPWAY_OPTION_INVALID', `slipway ${shape.name} needs exactly one CONTEXT, got ${got}`, {
    hint: given.length === 0 ? `for the folder that you are in: slipway ${shape.name} .` : seeHelp(shape),
  });
}
