import { parseWordsForm } from '../parser/argument-forms.ts';
import type { Statement } from '../parser/statement.ts';
import { cutAtBlanks } from '../parser/whitespace.ts';
import type { KeyValue } from './instruction.ts';
import { invalidInstruction } from './invalid-instruction.ts';
import { parseFlags } from './parse-flags.ts';

/** What ENV and LABEL say: `name=value …`, or the legacy `name value`, which a first word without `=` tells. */
export function parsePairs(statement: Statement): { readonly pairs: readonly KeyValue[]; readonly legacy: boolean } {
  parseFlags(statement, {});
  const name = statement.keyword.toUpperCase();
  const words = parseWordsForm(statement.rest, statement.escape);
  const [first] = words;
  if (first === undefined) throw invalidInstruction(`${name} requires at least one argument`);
  if (!first.includes('=')) return { pairs: [legacyPair(statement, name)], legacy: true };
  return { pairs: words.map((word) => pair(word, name)), legacy: false };
}

function legacyPair({ rest }: Statement, name: string): KeyValue {
  const { first: key, rest: value } = cutAtBlanks(rest);
  if (value === undefined) throw invalidInstruction(`${name} must have two arguments`, `write ${name} ${key}=VALUE`);
  return { key, value };
}

function pair(word: string, name: string): KeyValue {
  const equals = word.indexOf('=');
  if (equals === -1)
    throw invalidInstruction(
      `Syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`,
      `in ${name}, put a value with spaces in quotes`,
    );
  if (equals === 0) throw invalidInstruction(`${name} names can not be blank`);
  return { key: word.slice(0, equals), value: word.slice(equals + 1) };
}
