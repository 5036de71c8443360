import { SlipwayError } from '../../src/core/errors.ts';
import { type ExpandOptions, expandWords } from '../expand/expand-word.ts';
import type { Heredoc } from '../instructions/instruction.ts';

/** A heredoc's opening: everything but its text. */
export type HeredocStart = Omit<Heredoc, 'content' | 'rawContent'>;

const WORD = /^(\d*)<<(-?)[\t\n\f\r ]*([^<]*)$/;

/** The heredoc that a word opens (`<<EOF`, `3<<-"E"`), undefined where it opens none. */
export function parseHeredocWord(word: string): HeredocStart | undefined {
  const match = WORD.exec(word);
  const delimiter = match?.[3] ?? '';
  if (match === null || delimiter === '' || holdsModifier(delimiter)) return undefined;
  const [name, ...more] = wordsOf(delimiter, {});
  const [raw] = wordsOf(delimiter, { quotes: 'keep' });
  if (name === undefined || more.length > 0) return undefined;
  return {
    name,
    expand: countQuotes(name) === countQuotes(raw ?? name),
    chomp: match[2] === '-',
    written: word,
    fileDescriptor: Math.min(Number(match[1]), Number.MAX_SAFE_INTEGER),
  };
}

/** The heredocs that an instruction's line opens, in order. */
export function heredocsOfLine(line: string): readonly HeredocStart[] {
  if (!line.includes('<<')) return [];
  const found: HeredocStart[] = [];
  for (const word of wordsOf(line, { quotes: 'keep', escapes: 'keep' })) {
    const heredoc = parseHeredocWord(word);
    if (heredoc !== undefined) found.push(heredoc);
  }
  return found;
}

/** Without the tabs that lines start with. */
export function stripLeadingTabs(text: string): string {
  return text.replace(/(^|\n)\t+/g, '$1');
}

/** Whether a `${name<modifier>…}` stands in it: BuildKit opens no heredoc then, and leaves the line to the shell. */
function holdsModifier(delimiter: string): boolean {
  return /\$\{\w+[^\w}]/.test(delimiter.replace(/'[^']*'/g, ''));
}

/** Cut as a shell would. What only a real shell can read (unclosed quotes, other expansions) holds no heredoc, which is no error. */
function wordsOf(text: string, options: Partial<ExpandOptions>): readonly string[] {
  try {
    return expandWords(text, () => undefined, { escape: '\\', unset: 'keep', ...options });
  } catch (error) {
    if (error instanceof SlipwayError) return [];
    throw error;
  }
}

function countQuotes(word: string): number {
  return word.replace(/[^'"]/g, '').length;
}
