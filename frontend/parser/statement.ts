import type { SourceRange } from '../../src/core/errors.ts';
import type { Heredoc } from '../instructions/instruction.ts';
import { cutAtBlanks, isAsciiSpace, trimSpace } from './whitespace.ts';

/** One instruction's text, split but not understood: what BuildKit calls a node. */
export interface Statement extends StatementParts {
  /** The line with its continuations joined. */
  readonly line: string;
  readonly range: SourceRange;
  readonly heredocs: readonly Heredoc[];
  /** Comment lines right above it, without `#`. */
  readonly comments: readonly string[];
  /** The Dockerfile's escape character. */
  readonly escape: string;
}

export interface StatementParts {
  /** As written. */
  readonly keyword: string;
  /** Words that start with `--`, quotes and escapes taken off. */
  readonly flags: readonly string[];
  /** Everything after the flags, without white space around it. */
  readonly rest: string;
}

/** Keyword, flags and rest of a joined line. */
export function splitStatement(line: string, escapeToken: string): StatementParts {
  const { first, rest } = cutAtBlanks(trimSpace(line));
  return { keyword: first, ...splitFlags(rest ?? '', escapeToken) };
}

/** The words at the start of `text` that begin with `--`; a word that is just `--` ends them and is dropped. */
function splitFlags(text: string, escapeToken: string): { flags: readonly string[]; rest: string } {
  const flags: string[] = [];
  let at = 0;
  for (;;) {
    while (at < text.length && isAsciiSpace(text.charAt(at))) at++;
    if (!text.startsWith('--', at)) break;
    const flag = readFlag(text, at, escapeToken);
    at = flag.end;
    if (flag.value === '--') break;
    flags.push(flag.value);
  }
  return { flags, rest: trimSpace(text.slice(at)) };
}

/** One word from `start`: quotes group, and the escape character takes the next character as it is; both are left out. */
function readFlag(text: string, start: number, escapeToken: string): { readonly value: string; readonly end: number } {
  let value = '';
  let quote = '';
  let at = start;
  for (; at < text.length; at++) {
    const char = text.charAt(at);
    if (quote === '' && isAsciiSpace(char)) break;
    if (char === quote) quote = '';
    else if (quote === '' && (char === "'" || char === '"')) quote = char;
    else if (char === escapeToken) value += text.charAt(++at);
    else value += char;
  }
  return { value: bytesAsText(value), end: Math.min(at, text.length) };
}

/** BuildKit reads flags byte by byte, and takes each byte for a character: `--exclude=é` leaves out `Ã©`. */
function bytesAsText(value: string): string {
  return Buffer.from(value).toString('latin1');
}
