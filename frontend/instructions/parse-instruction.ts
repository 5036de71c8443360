import { SlipwayError } from '../../src/core/errors.ts';
import { suggest } from '../../src/core/suggest.ts';
import { parseJsonForm, parseListForm, parseWordsForm } from '../parser/argument-forms.ts';
import { type Statement, splitStatement } from '../parser/statement.ts';
import { splitAtBlanks, trimSpace } from '../parser/whitespace.ts';
import type {
  ArgInstruction,
  CommandLine,
  ExposeInstruction,
  FromInstruction,
  Instruction,
  InstructionBase,
  OnbuildInstruction,
  RunInstruction,
  ShellInstruction,
  VolumeInstruction,
} from './instruction.ts';
import { invalidInstruction } from './invalid-instruction.ts';
import { parseAdd, parseCopy } from './parse-copy.ts';
import { parseFlags } from './parse-flags.ts';
import { parseHealthcheck } from './parse-healthcheck.ts';
import { parsePairs } from './parse-pairs.ts';
import { parseRunDevice } from './run-device.ts';
import { parseRunMountFlag } from './run-mount.ts';

type Parser = (statement: Statement) => Instruction;

const PARSERS: Readonly<Record<Instruction['kind'], Parser>> = {
  add: (statement) => ({ ...base(statement), ...parseAdd(statement) }),
  arg: parseArg,
  cmd: (statement) => ({ ...base(statement), kind: 'cmd', ...commandOf(statement) }),
  copy: (statement) => ({ ...base(statement), ...parseCopy(statement) }),
  entrypoint: (statement) => ({ ...base(statement), kind: 'entrypoint', ...commandOf(statement) }),
  env: (statement) => ({ ...base(statement), kind: 'env', ...parsePairs(statement) }),
  expose: parseExpose,
  from: parseFrom,
  healthcheck: (statement) => ({ ...base(statement), ...parseHealthcheck(statement) }),
  label: (statement) => ({ ...base(statement), kind: 'label', ...parsePairs(statement) }),
  maintainer: (statement) => ({ ...base(statement), kind: 'maintainer', name: onlyArgument(statement) }),
  onbuild: parseOnbuild,
  run: parseRun,
  shell: parseShell,
  // BuildKit takes any flags here and does nothing with them.
  stopsignal: (statement) => ({ ...base(statement), kind: 'stopsignal', signal: onlyText(statement) }),
  user: (statement) => ({ ...base(statement), kind: 'user', user: onlyArgument(statement) }),
  volume: parseVolume,
  workdir: (statement) => ({ ...base(statement), kind: 'workdir', path: onlyArgument(statement) }),
};

/** The 18 keywords, in capitals. */
export const KEYWORDS: readonly string[] = Object.keys(PARSERS).map((kind) => kind.toUpperCase());

/** The instruction that a statement is. Throws SlipwayError, without a source, for what BuildKit's instructions package refuses. */
export function parseInstruction(statement: Statement): Instruction {
  const kind = statement.keyword.toLowerCase();
  if (!isKind(kind)) throw unknownInstruction(statement.keyword);
  return PARSERS[kind](statement);
}

/** The keyword that an unknown one was probably meant to be, in capitals. */
export function suggestKeyword(keyword: string): string | undefined {
  return suggest(keyword, KEYWORDS);
}

function isKind(text: string): text is Instruction['kind'] {
  return Object.hasOwn(PARSERS, text);
}

function unknownInstruction(keyword: string): SlipwayError {
  const meant = suggestKeyword(keyword);
  const isLower = keyword === keyword.toLowerCase();
  return new SlipwayError('SLIPWAY_INSTRUCTION_UNKNOWN', `unknown instruction: ${keyword}`, {
    hint:
      meant === undefined
        ? 'if this line belongs to the instruction above it, that one must end in a backslash (or the escape character)'
        : `did you mean ${isLower ? meant.toLowerCase() : meant}?`,
  });
}

function base({ range, line, keyword, comments }: Statement): InstructionBase {
  return { range, original: trimSpace(line), keyword, comments };
}

function onlyText({ keyword, rest }: Statement): string {
  if (rest === '') throw invalidInstruction(`${keyword.toUpperCase()} requires exactly one argument`);
  return rest;
}

function onlyArgument(statement: Statement): string {
  const text = onlyText(statement);
  parseFlags(statement, {});
  return text;
}

function commandOf(statement: Statement): { readonly command: CommandLine } {
  parseFlags(statement, {});
  return { command: parseCommandLine(statement.rest) };
}

/** Exec form where the text is a JSON array, shell form otherwise. */
function parseCommandLine(text: string): CommandLine {
  const args = parseJsonForm(text);
  return args === undefined ? { form: 'shell', text } : { form: 'exec', args };
}

const STAGE_NAME = /^[a-z][a-z0-9-_.]*$/;

function parseFrom(statement: Statement): FromInstruction {
  const [image, as, name, ...more] = parseListForm(statement.rest);
  const hasName = name !== undefined && more.length === 0 && as?.toLowerCase() === 'as';
  if (image === undefined || (as !== undefined && !hasName))
    throw invalidInstruction('FROM requires either one or three arguments', 'write FROM image, or FROM image AS name');
  const stageName = name?.toLowerCase();
  if (stageName !== undefined && !STAGE_NAME.test(stageName))
    throw invalidInstruction(
      `invalid name for build stage: ${JSON.stringify(name)}, name can't start with a number or contain symbols`,
      'a stage name starts with a letter and has letters, digits, "-", "_" and "."',
    );
  const { platform } = parseFlags(statement, { platform: 'text' });
  const comment = stageName === undefined ? undefined : commentOn(stageName, statement);
  return {
    ...base(statement),
    kind: 'from',
    image,
    ...(platform ? { platform } : {}),
    ...(stageName === undefined || name === undefined || as === undefined
      ? {}
      : { stageName, writtenStageName: name, writtenAs: as }),
    ...(comment === undefined ? {} : { comment }),
  };
}

/** BuildKit takes any flags of ARG and does nothing with them. */
function parseArg(statement: Statement): ArgInstruction {
  const words = parseWordsForm(statement.rest, statement.escape);
  if (words.length === 0) throw invalidInstruction('ARG requires at least one argument');
  const args = words.map((word) => {
    const equals = word.indexOf('=');
    if (equals === 0) throw invalidInstruction('ARG names can not be blank');
    const key = equals === -1 ? word : word.slice(0, equals);
    const comment = commentOn(key, statement);
    return {
      key,
      ...(equals === -1 ? {} : { value: word.slice(equals + 1) }),
      ...(comment === undefined ? {} : { comment }),
    };
  });
  return { ...base(statement), kind: 'arg', args };
}

/** What a comment above says of a name: the rest of the line that starts with it. */
function commentOn(name: string, { comments }: Statement): string | undefined {
  return comments.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1);
}

const NETWORKS = ['default', 'none', 'host'];
const SECURITY = ['insecure', 'sandbox'];

function parseRun(statement: Statement): RunInstruction {
  const flags = parseFlags(statement, {
    mount: 'many',
    network: 'text',
    security: 'text',
    device: 'many',
  });
  const { network, security } = flags;
  if (network !== undefined && !NETWORKS.includes(network))
    throw invalidInstruction(`invalid network mode ${JSON.stringify(network)}`, oneOf(network, NETWORKS));
  if (security !== undefined && !SECURITY.includes(security))
    throw invalidInstruction(`security ${JSON.stringify(security)} is not valid`, oneOf(security, SECURITY));
  return {
    ...base(statement),
    kind: 'run',
    command: parseCommandLine(statement.rest),
    heredocs: statement.heredocs,
    mounts: flags.mount.map(parseRunMountFlag),
    ...(network === undefined ? {} : { network }),
    ...(security === undefined ? {} : { security }),
    devices: flags.device.map(parseRunDevice),
    flags: statement.flags,
  };
}

function oneOf(value: string, allowed: readonly string[]): string {
  const meant = suggest(value, allowed);
  return meant === undefined ? `it is one of ${allowed.join(', ')}` : `did you mean ${meant}?`;
}

function parseShell(statement: Statement): ShellInstruction {
  parseFlags(statement, {});
  const args = parseJsonForm(statement.rest);
  if (statement.rest === '' || args?.length === 0)
    throw invalidInstruction('SHELL requires at least one argument', 'write SHELL ["/bin/sh", "-c"]');
  if (args === undefined)
    throw invalidInstruction('SHELL requires the arguments to be in JSON form', 'write SHELL ["/bin/sh", "-c"]');
  return { ...base(statement), kind: 'shell', args };
}

function parseExpose(statement: Statement): ExposeInstruction {
  const ports = parseListForm(statement.rest).toSorted();
  if (ports.length === 0) throw invalidInstruction('EXPOSE requires at least one argument');
  parseFlags(statement, {});
  return { ...base(statement), kind: 'expose', ports };
}

function parseVolume(statement: Statement): VolumeInstruction {
  const paths = (parseJsonForm(statement.rest) ?? parseListForm(statement.rest)).map(trimSpace);
  if (paths.length === 0) throw invalidInstruction('VOLUME requires at least one argument');
  parseFlags(statement, {});
  if (paths.includes('')) throw invalidInstruction('VOLUME specified can not be an empty string');
  return { ...base(statement), kind: 'volume', paths };
}

function parseOnbuild(statement: Statement): OnbuildInstruction {
  if (statement.rest === '') throw invalidInstruction('ONBUILD requires at least one argument');
  parseFlags(statement, {});
  const { keyword, rest } = splitStatement(statement.rest, statement.escape);
  const trigger = keyword.toUpperCase();
  if (trigger === 'ONBUILD') throw invalidInstruction("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (trigger === 'MAINTAINER' || trigger === 'FROM')
    throw invalidInstruction(`${trigger} isn't allowed as an ONBUILD trigger`);
  checkForm(trigger, { ...statement, keyword, rest });
  const text = statement.line.replace(/^\s*ONBUILD\s*/i, '');
  const bodies = statement.heredocs.map(({ rawContent, name }) => `\n${rawContent}${name}`);
  return { ...base(statement), kind: 'onbuild', expression: text + bodies.join('') };
}

/** Of a trigger, only what BuildKit's line parser sees is checked now; the rest shows when it is triggered. */
function checkForm(trigger: string, statement: Statement): void {
  if ((trigger === 'ENV' || trigger === 'LABEL') && statement.rest !== '') parsePairs({ ...statement, flags: [] });
  if (['RUN', 'CMD', 'ENTRYPOINT', 'SHELL', 'COPY', 'ADD', 'VOLUME'].includes(trigger)) parseJsonForm(statement.rest);
  if (trigger === 'HEALTHCHECK') parseJsonForm(splitAtBlanks(statement.rest).slice(1).join(' '));
}
