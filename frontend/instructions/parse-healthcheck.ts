import { parseGoDuration, parseGoInt32 } from '../../src/core/go-literals.ts';
import { parseJsonForm } from '../parser/argument-forms.ts';
import type { Statement } from '../parser/statement.ts';
import { isAsciiSpace } from '../parser/whitespace.ts';
import type { HealthcheckInstruction, InstructionBase } from './instruction.ts';
import { invalidInstruction } from './invalid-instruction.ts';
import { parseFlags } from './parse-flags.ts';

const MILLISECOND = 1_000_000;

/** HEALTHCHECK's arguments and flags. NONE ignores flags, known or not, as BuildKit does. */
export function parseHealthcheck(statement: Statement): Omit<HealthcheckInstruction, keyof InstructionBase> {
  if (statement.rest === '') throw invalidInstruction('HEALTHCHECK requires at least one argument');
  const { type, text } = splitType(statement.rest);
  const args = parseJsonForm(text);
  if (type === 'NONE') {
    if (args === undefined ? text !== '' : args.length > 0)
      throw invalidInstruction('HEALTHCHECK NONE takes no arguments');
    return { kind: 'healthcheck', test: ['NONE'] };
  }
  const flags = parseFlags(statement, {
    interval: 'text',
    timeout: 'text',
    'start-period': 'text',
    'start-interval': 'text',
    retries: 'text',
  });
  if (type !== 'CMD') throw invalidInstruction(`Unknown type ${JSON.stringify(type)} in HEALTHCHECK (try CMD)`);
  if (args === undefined ? text === '' : args.length === 0)
    throw invalidInstruction('Missing command after HEALTHCHECK CMD');
  return {
    kind: 'healthcheck',
    test: args === undefined ? ['CMD-SHELL', text] : ['CMD', ...args],
    ...member('interval', parseInterval('interval', flags.interval)),
    ...member('timeout', parseInterval('timeout', flags.timeout)),
    ...member('startPeriod', parseInterval('start-period', flags['start-period'])),
    ...member('startInterval', parseInterval('start-interval', flags['start-interval'])),
    ...member('retries', parseRetries(flags.retries)),
  };
}

/** A member of that name, or none: zero means the default, as if it had not been given. */
function member<Name extends string>(name: Name, value: number): { readonly [Key in Name]?: number } {
  return value === 0 ? {} : ({ [name]: value } as { readonly [Key in Name]: number });
}

function splitType(text: string): { readonly type: string; readonly text: string } {
  let end = 0;
  while (end < text.length && !isAsciiSpace(text.charAt(end))) end++;
  let start = end;
  while (start < text.length && isAsciiSpace(text.charAt(start))) start++;
  return { type: text.slice(0, end).toUpperCase(), text: text.slice(start) };
}

/** Nanoseconds; 0 where it is not given. */
function parseInterval(flag: string, text: string | undefined): number {
  if (!text) return 0;
  const nanoseconds = parseGoDuration(text);
  if (typeof nanoseconds === 'object')
    throw invalidInstruction(`--${flag}: ${nanoseconds.problem}`, 'write a number and a unit: 500ms, 30s, 1m30s');
  if (nanoseconds !== 0 && nanoseconds < MILLISECOND)
    throw invalidInstruction(`Interval ${JSON.stringify(flag)} cannot be less than 1ms, got ${text}`);
  return nanoseconds;
}

function parseRetries(text: string | undefined): number {
  if (!text) return 0;
  const retries = parseGoInt32(text);
  if (retries === undefined)
    throw invalidInstruction(`--retries: expected a number up to 2147483647, got ${JSON.stringify(text)}`);
  if (retries < 0) throw invalidInstruction(`--retries cannot be negative (${retries})`);
  return retries;
}
