import { SlipwayError } from '../../src/core/errors.ts';
import { suggest } from '../../src/core/suggest.ts';
import type { Statement } from '../parser/statement.ts';

/** `many` may be given several times, the others once. */
export type FlagKind = 'text' | 'boolean' | 'many';

/** What a flag's values are read as; undefined is a flag that was not given. */
export type FlagValues<Kinds extends Readonly<Record<string, FlagKind>>> = {
  readonly [Name in keyof Kinds]: Kinds[Name] extends 'many'
    ? readonly string[]
    : (Kinds[Name] extends 'boolean' ? boolean : string) | undefined;
};

/** An instruction's flags by name, with the rules of BuildKit's bflag.go. Throws SlipwayError for any that it does not take. */
export function parseFlags<Kinds extends Readonly<Record<string, FlagKind>>>(
  { keyword, flags }: Pick<Statement, 'keyword' | 'flags'>,
  kinds: Kinds,
): FlagValues<Kinds> {
  const values = new Map<string, string | boolean | readonly string[]>();
  for (const [name, kind] of Object.entries(kinds)) if (kind === 'many') values.set(name, []);
  for (const flag of flags) {
    const equals = flag.indexOf('=');
    const name = flag.slice(2, equals === -1 ? undefined : equals);
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
    if (kind === undefined) throw unknownFlag(keyword, name, Object.keys(kinds));
    const value = readValue(`--${name}`, kind, equals === -1 ? undefined : flag.slice(equals + 1));
    const earlier = values.get(name);
    if (typeof earlier === 'object') values.set(name, [...earlier, String(value)]);
    else if (earlier === undefined) values.set(name, value);
    else throw invalidFlag(`duplicate flag specified: --${name}`, 'give it once');
  }
  return Object.fromEntries(values) as FlagValues<Kinds>;
}

function readValue(flag: string, kind: FlagKind, value: string | undefined): string | boolean {
  if (kind !== 'boolean') {
    if (value === undefined)
      throw invalidFlag(`missing a value on flag: ${flag}`, `write ${flag}=VALUE, without spaces`);
    return value;
  }
  if (value === '') throw invalidFlag(`missing a value on flag: ${flag}`, `write ${flag} or ${flag}=false`);
  const written = value?.toLowerCase() ?? 'true';
  if (written === 'true' || written === 'false') return written === 'true';
  throw invalidFlag(`expecting boolean value for flag ${flag}, not: ${value}`, `write ${flag} or ${flag}=false`);
}

function unknownFlag(keyword: string, name: string, known: readonly string[]): SlipwayError {
  const meant = suggest(name, known);
  const list = known.map((flag) => `--${flag}`).join(', ');
  const all = known.length === 0 ? `${keyword.toUpperCase()} takes no flags` : `${keyword.toUpperCase()} takes ${list}`;
  return new SlipwayError('SLIPWAY_FLAG_UNKNOWN', `unknown flag: --${name}`, {
    hint: meant === undefined ? all : `did you mean --${meant}?`,
  });
}

function invalidFlag(message: string, hint: string): SlipwayError {
  return new SlipwayError('SLIPWAY_FLAG_INVALID', message, { hint });
}
