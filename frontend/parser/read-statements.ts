import { SlipwayError } from '../../src/core/errors.ts';
import type { Heredoc, ParserFinding } from '../instructions/instruction.ts';
import { type HeredocStart, heredocsOfLine, stripLeadingTabs } from './heredoc.ts';
import { SourceLines, withoutNewline } from './source-lines.ts';
import { type Statement, splitStatement } from './statement.ts';
import { trimSpace, trimSpaceStart } from './whitespace.ts';

export interface StatementSource {
  readonly file: string;
  /** Without byte order mark. */
  readonly text: string;
  readonly escape: string;
  /** Lines at the start that are parser directives. */
  readonly directiveLines: number;
}

export interface ReadStatements {
  readonly statements: readonly Statement[];
  readonly findings: readonly ParserFinding[];
  /** What ended the reading early: nothing after it can be told apart. */
  readonly problem: SlipwayError | undefined;
}

/**
 * Cuts a Dockerfile into statements by the rules of BuildKit's parser.Parse: continuations joined, comments and empty lines left out
 * (inside a continued statement as well), heredocs attached.
 */
export function readStatements(source: StatementSource): ReadStatements {
  const reader = new StatementReader(source);
  const statements: Statement[] = [];
  try {
    for (let statement = reader.next(); statement !== undefined; statement = reader.next()) statements.push(statement);
  } catch (problem) {
    if (!(problem instanceof SlipwayError)) throw problem;
    return { statements, findings: reader.findings, problem };
  }
  return { statements, findings: reader.findings, problem: undefined };
}

class StatementReader {
  readonly findings: ParserFinding[] = [];
  readonly #source: StatementSource;
  readonly #lines: SourceLines;
  #comments: string[] = [];

  constructor(source: StatementSource) {
    this.#source = source;
    this.#lines = new SourceLines(source.file, source.text);
  }

  next(): Statement | undefined {
    for (let raw = this.#lines.next(); raw !== undefined; raw = this.#lines.next()) {
      if (this.#lines.number <= this.#source.directiveLines) continue;
      const line = trimSpaceStart(withoutNewline(raw));
      if (line.startsWith('#')) this.#comment(raw);
      else if (line !== '') return this.#statement(line);
    }
    return undefined;
  }

  /** The first character is cut off as BuildKit does it, so that the `#` of an indented comment stays; an empty one starts anew. */
  #comment(raw: string): void {
    const comment = trimSpace(raw.slice(1));
    if (comment === '') this.#comments = [];
    else this.#comments.push(comment);
  }

  #statement(firstLine: string): Statement {
    const startLine = this.#lines.number;
    const { escape: escapeToken, file } = this.#source;
    const line = this.#joined(firstLine);
    const parts = splitStatement(line, escapeToken);
    const heredocs = this.#heredocs(takesHeredocs(parts, escapeToken) ? heredocsOfLine(line) : [], startLine);
    const comments = this.#comments;
    this.#comments = [];
    return {
      ...parts,
      line,
      heredocs,
      comments,
      escape: escapeToken,
      range: { file, startLine, endLine: this.#lines.number },
    };
  }

  /** The line with those that continue it. */
  #joined(firstLine: string): string {
    let { text, isContinued } = cutContinuation(firstLine, this.#source.escape);
    const parts = [text];
    let hasEmptyLine = false;
    while (isContinued) {
      const raw = this.#lines.next();
      if (raw === undefined) break;
      const line = withoutNewline(raw);
      const start = trimSpaceStart(line);
      if (start.startsWith('#')) continue;
      if (start === '') {
        hasEmptyLine = true;
        continue;
      }
      ({ text, isContinued } = cutContinuation(line, this.#source.escape));
      parts.push(text);
    }
    const joined = parts.join('');
    if (hasEmptyLine) this.#findEmptyContinuation(joined);
    return joined;
  }

  #findEmptyContinuation(line: string): void {
    const { number } = this.#lines;
    this.findings.push({
      rule: 'NoEmptyContinuation',
      detail: `Empty continuation line found in: ${line}`,
      range: { file: this.#source.file, startLine: number, endLine: number },
    });
  }

  #heredocs(starts: readonly HeredocStart[], startLine: number): readonly Heredoc[] {
    return starts.map((start) => {
      const rawContent = this.#heredocText(start, startLine);
      return { ...start, rawContent, content: start.chomp ? stripLeadingTabs(rawContent) : rawContent };
    });
  }

  #heredocText({ name, chomp, written }: HeredocStart, startLine: number): string {
    const lines: string[] = [];
    for (let line = this.#lines.next(); line !== undefined; line = this.#lines.next()) {
      const candidate = withoutNewline(line);
      if ((chomp ? candidate.replace(/^\t+/, '') : candidate) === name) return lines.join('');
      lines.push(line);
    }
    throw new SlipwayError('SLIPWAY_HEREDOC_UNTERMINATED', `unterminated heredoc ${written}`, {
      hint: `end it with a line that is just ${name}${chomp ? '' : ', without spaces around it'}`,
      source: {
        range: { file: this.#source.file, startLine, endLine: startLine },
        text: this.#source.text,
      },
    });
  }
}

/** Whether the line ends in the escape character (blanks may follow it), and not in two of them. */
function cutContinuation(line: string, escapeToken: string): { text: string; isContinued: boolean } {
  let end = line.length;
  while (end > 0 && (line[end - 1] === ' ' || line[end - 1] === '\t')) end--;
  if (line[end - 1] !== escapeToken || line[end - 2] === escapeToken) return { text: line, isContinued: false };
  return { text: line.slice(0, end - 1), isContinued: true };
}

/** RUN, COPY and ADD in their plain forms take heredocs, after ONBUILD too. */
function takesHeredocs({ keyword, rest }: { keyword: string; rest: string }, escapeToken: string): boolean {
  if (!rest.includes('<<')) return false;
  const name = keyword.toLowerCase();
  if (name === 'onbuild')
    return !/^onbuild[\t\v\f\r ]/i.test(rest) && takesHeredocs(splitStatement(rest, escapeToken), escapeToken);
  return (name === 'run' || name === 'copy' || name === 'add') && !isJsonArray(rest);
}

/** Of anything: what is wrong with its values is said when the instruction is read. */
function isJsonArray(text: string): boolean {
  if (!trimSpaceStart(text).startsWith('[')) return false;
  try {
    return Array.isArray(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}
