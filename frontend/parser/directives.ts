import { isAsciiSpace, trimSpaceStart } from './whitespace.ts';

/** The parser directives of BuildKit's directives.go; any other `# key=value` is a comment. */
export type DirectiveName = 'syntax' | 'escape' | 'check';

export interface Directive {
  readonly name: DirectiveName;
  readonly value: string;
  /** From 1. */
  readonly line: number;
}

/** A directive that stands twice. */
export interface DuplicateDirective {
  readonly name: DirectiveName;
  readonly duplicate: true;
  readonly line: number;
}

/**
 * The directives at the head of a text: lines of `<prefix> key=value`, ended by the first line that is anything else (an empty line, a
 * plain comment, an unknown key). A duplicate ends them too and is reported.
 */
export function readDirectives(text: string, prefix: '#' | '//' = '#'): readonly (Directive | DuplicateDirective)[] {
  const found: (Directive | DuplicateDirective)[] = [];
  for (let start = 0, line = 1; start < text.length; line++) {
    const newline = text.indexOf('\n', start);
    const end = newline === -1 ? text.length : newline;
    const directive = parseDirective(trimSpaceStart(text.slice(start, end)), prefix);
    if (directive === undefined) break;
    if (found.some(({ name }) => name === directive.name)) {
      found.push({ name: directive.name, duplicate: true, line });
      break;
    }
    found.push({ ...directive, line });
    start = end + 1;
  }
  return found;
}

/**
 * The image that `syntax` names, as BuildKit finds it: in `#` directives, else in `//` directives, else in a JSON object's `syntax`; a
 * first line that starts with `#!` does not count.
 */
export function detectSyntax(text: string): string | undefined {
  const body = withoutShebang(text);
  for (const prefix of ['#', '//'] as const) {
    const value = valueNamed('syntax', readDirectives(body, prefix));
    if (value !== undefined) return value;
  }
  return syntaxOfJson(body);
}

/** The value of `# check=…` up to a space; a first line that starts with `#!` does not count. */
export function detectCheck(text: string): string | undefined {
  return valueNamed('check', readDirectives(withoutShebang(text)));
}

/** Up to the first space: what follows one is for a reader. */
function valueNamed(name: DirectiveName, directives: readonly (Directive | DuplicateDirective)[]): string | undefined {
  const found = directives.find((directive) => directive.name === name);
  return found !== undefined && 'value' in found ? found.value.split(' ', 1)[0] : undefined;
}

const KEY = /^([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=/;

function parseDirective(line: string, prefix: string): { name: DirectiveName; value: string } | undefined {
  if (!line.startsWith(prefix)) return undefined;
  const comment = trimSpaceStart(line.slice(prefix.length));
  const key = KEY.exec(comment);
  const name = key?.[1]?.toLowerCase();
  if (key === null || (name !== 'syntax' && name !== 'escape' && name !== 'check')) return undefined;
  const rest = comment.slice(key[0].length);
  // A value of nothing but white space is its last character, as BuildKit's regular expression finds it.
  const value = trimAscii(rest) || rest.slice(-1);
  return value === '' ? undefined : { name, value };
}

/** Without the white space that Go's `\s` knows. */
function trimAscii(text: string): string {
  const isAscii = (char: string) => char !== '\v' && isAsciiSpace(char);
  let [start, end] = [0, text.length];
  while (start < end && isAscii(text.charAt(start))) start++;
  while (end > start && isAscii(text.charAt(end - 1))) end--;
  return text.slice(start, end);
}

function withoutShebang(text: string): string {
  if (!text.startsWith('#!')) return text;
  const newline = text.indexOf('\n');
  return newline === -1 ? '' : text.slice(newline + 1);
}

function syntaxOfJson(text: string): string | undefined {
  if (!trimSpaceStart(text).startsWith('{')) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (typeof parsed !== 'object' || parsed === null || !('syntax' in parsed)) return undefined;
  return typeof parsed.syntax === 'string' ? parsed.syntax : undefined;
}
