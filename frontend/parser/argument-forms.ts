import { SlipwayError } from '../../src/core/errors.ts';
import { isSpace, splitAtBlanks, trimSpaceStart } from './whitespace.ts';

/** The strings of a JSON array. Undefined where the text is not one: then it is read as plain words. */
export function parseJsonForm(text: string): readonly string[] | undefined {
  const trimmed = trimSpaceStart(text);
  if (!trimmed.startsWith('[')) return undefined;
  const values = tryParseJson(trimmed);
  if (!Array.isArray(values)) return undefined;
  return values.map((value: unknown) => {
    if (typeof value === 'string') return value.toWellFormed();
    throw new SlipwayError(
      'SLIPWAY_INSTRUCTION_INVALID',
      `when using JSON array syntax, arrays must be comprised of strings only: got ${describe(value)}`,
      { hint: `put it in double quotes${Array.isArray(value) ? ', or take the inner brackets off' : ''}` },
    );
  });
}

/** Words between blanks; none in an empty text. */
export function parseListForm(text: string): readonly string[] {
  return text === '' ? [] : splitAtBlanks(text);
}

/** Words between spaces, where quotes and the escape character keep a word together. Both stay in the words, for expansion. */
export function parseWordsForm(text: string, escapeToken: string): readonly string[] {
  const words: string[] = [];
  let at = 0;
  for (;;) {
    while (at < text.length && isSpace(text.charAt(at))) at++;
    if (at === text.length) return words;
    const word = readWord(text, at, escapeToken);
    if (word.value !== '') words.push(word.value);
    at = word.end;
  }
}

function readWord(text: string, start: number, escapeToken: string): { readonly value: string; readonly end: number } {
  let value = '';
  let quote = '';
  let at = start;
  for (; at < text.length; at++) {
    const char = text.charAt(at);
    if (quote === '' && isSpace(char)) break;
    if (char === escapeToken && quote !== "'") {
      if (at + 1 < text.length) value += char + text.charAt(++at);
      continue;
    }
    if (char === quote) quote = '';
    else if (quote === '' && (char === "'" || char === '"')) quote = char;
    value += char;
  }
  return { value, end: Math.min(at, text.length) };
}

function tryParseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function describe(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : String(value);
}
