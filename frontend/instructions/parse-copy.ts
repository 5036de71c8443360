import { parseJsonForm, parseListForm } from '../parser/argument-forms.ts';
import { parseHeredocWord, stripLeadingTabs } from '../parser/heredoc.ts';
import type { Statement } from '../parser/statement.ts';
import type { AddInstruction, CopyInstruction, CopySource, InstructionBase } from './instruction.ts';
import { invalidInstruction } from './invalid-instruction.ts';
import { parseFlags } from './parse-flags.ts';

/** An instruction without what all instructions have. */
type Own<Kind extends InstructionBase> = Omit<Kind, keyof InstructionBase>;

/** COPY's arguments and flags. */
export function parseCopy(statement: Statement): Own<CopyInstruction> {
  const words = wordsOf(statement);
  const { from, parents, ...flags } = parseFlags(statement, {
    chown: 'text',
    from: 'text',
    chmod: 'text',
    link: 'boolean',
    exclude: 'many',
    parents: 'boolean',
  });
  return {
    kind: 'copy',
    ...sourcesAndDestination(words, statement),
    ...common(flags, statement),
    ...(from ? { from } : {}),
    parents: parents ?? false,
  };
}

/** ADD's arguments and flags. */
export function parseAdd(statement: Statement): Own<AddInstruction> {
  const words = wordsOf(statement);
  const { checksum, unpack, ...flags } = parseFlags(statement, {
    chown: 'text',
    chmod: 'text',
    link: 'boolean',
    'keep-git-dir': 'boolean',
    checksum: 'text',
    unpack: 'boolean',
    exclude: 'many',
  });
  const keepGitDir = flags['keep-git-dir'];
  return {
    kind: 'add',
    ...sourcesAndDestination(words, statement),
    ...common(flags, statement),
    ...(checksum ? { checksum } : {}),
    ...(keepGitDir === undefined ? {} : { keepGitDir }),
    ...(unpack === undefined ? {} : { unpack }),
  };
}

function wordsOf({ keyword, rest }: Statement): readonly string[] {
  const words = parseJsonForm(rest) ?? parseListForm(rest);
  if (words.length >= 2) return words;
  throw invalidInstruction(
    `${keyword.toUpperCase()} requires at least two arguments, but only ${words.length === 1 ? 'one was' : 'none were'} provided. Destination could not be determined`,
  );
}

interface CommonFlags {
  readonly chown: string | undefined;
  readonly chmod: string | undefined;
  readonly link: boolean | undefined;
  readonly exclude: readonly string[];
}

function common({ chown, chmod, link, exclude }: CommonFlags, statement: Statement) {
  return {
    ...(chown ? { chown } : {}),
    ...(chmod ? { chmod } : {}),
    link: link ?? false,
    exclude,
    flags: statement.flags,
  };
}

function sourcesAndDestination(
  words: readonly string[],
  statement: Statement,
): { readonly sources: readonly CopySource[]; readonly destination: string } {
  const destination = words.at(-1) ?? '';
  if (parseHeredocWord(destination) !== undefined)
    throw invalidInstruction(`${statement.keyword.toUpperCase()} cannot accept a heredoc as a destination`);
  return { sources: words.slice(0, -1).map((word) => readSource(word, statement)), destination };
}

/** A word that opens a heredoc stands for its text; of two with one name, the last text counts for both, as in BuildKit. */
function readSource(word: string, { heredocs }: Statement): CopySource {
  const start = parseHeredocWord(word);
  if (start === undefined) return { kind: 'path', path: word };
  const rawContent = heredocs.findLast(({ name }) => name === start.name)?.rawContent ?? '';
  return {
    kind: 'heredoc',
    heredoc: { ...start, rawContent, content: start.chomp ? stripLeadingTabs(rawContent) : rawContent },
  };
}
