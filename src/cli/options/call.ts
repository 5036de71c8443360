import { parseGoBoolean } from '../../core/go-literals.ts';
import { csvFields } from './csv-fields.ts';
import { invalidOption } from './invalid-option.ts';

/** What `--call` asks for in place of a build. */
export interface Call {
  readonly method: 'check' | 'outline' | 'targets';
  readonly format: 'text' | 'json';
  /** Warnings of a check do not count for the exit status. */
  readonly ignoreStatus: boolean;
}

const METHODS = new Map([
  ['check', 'check'],
  ['lint', 'check'],
  ['outline', 'outline'],
  ['targets', 'targets'],
] as const);

/** Reads `METHOD[,format=json][,ignorestatus=true]`; undefined for `build` and for nothing. */
export function parseCall(option: string, text: string): Call | undefined {
  let method: Call['method'] | 'build' | undefined;
  let format: Call['format'] = 'text';
  let ignoreStatus = false;
  for (const field of text === '' ? ['build'] : csvFields(option, text)) {
    const [key, value] = splitField(field);
    if (value === undefined) method = methodOf(option, key);
    else if (key === 'format') format = formatOf(option, value);
    else if (key === 'ignorestatus') ignoreStatus = booleanOf(option, value);
    else throw invalidOption(option, `"${field}": expected format= or ignorestatus=`);
  }
  if (method === undefined) throw invalidOption(option, `"${text}": expected build, check, outline or targets`);
  return method === 'build' ? undefined : { method, format, ignoreStatus };
}

function splitField(field: string): readonly [string, string | undefined] {
  const equals = field.indexOf('=');
  return equals < 0 ? [field, undefined] : [field.slice(0, equals), field.slice(equals + 1)];
}

function methodOf(option: string, text: string): Call['method'] | 'build' {
  const method = text === 'build' ? text : [...METHODS].find(([name]) => name === text)?.[1];
  if (method !== undefined) return method;
  throw invalidOption(option, `"${text}": expected build, check, outline or targets`);
}

function formatOf(option: string, text: string): Call['format'] {
  if (text === 'text' || text === 'json') return text;
  throw invalidOption(option, `"format=${text}": expected text or json`);
}

function booleanOf(option: string, text: string): boolean {
  const value = parseGoBoolean(text);
  if (value === undefined) throw invalidOption(option, `"ignorestatus=${text}": expected true or false`);
  return value;
}
