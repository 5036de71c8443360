import { errnoOf, SlipwayError, type SourceExcerpt } from '../core/errors.ts';
import { printableLine, printableText, withoutCredentials } from '../progress/printable.ts';

/** Where the code of an error stands, so that codes of several errors are below one another. */
const CODE_COLUMN = 72;
const LINES_AROUND = 2;
const MAX_TAIL_LINES = 20;
const MAX_OTHERS = 20;
const MAX_LINE = 400;

export interface ReportOptions {
  /** Adds the stack and the causes. */
  readonly debug: boolean;
}

/**
 * What a person reads about an error: the message with its code, the lines of the Dockerfile around the place, the last lines of a failed
 * step's output, what to do about it, and the errors that were found beside it. Ends with a line break. Foreign text in it cannot
 * control the terminal, and shows no password of a URL.
 */
export function errorReport(error: unknown, options: ReportOptions): string {
  const lines = error instanceof SlipwayError ? slipwayError(error) : [`error: ${otherError(error)}`];
  if (options.debug) lines.push(...stackOf(error));
  return `${lines.join('\n')}\n`;
}

function slipwayError(error: SlipwayError): string[] {
  return [
    ...headline(error),
    ...(error.source === undefined ? [] : excerpt(error.source)),
    ...(error.outputTail ?? []).slice(-MAX_TAIL_LINES).map((line) => `  ${shown(line)}`),
    ...(error.hint === undefined ? [] : [`hint: ${shown(error.hint)}`]),
    ...error.others.slice(0, MAX_OTHERS).flatMap(slipwayError),
    ...(error.others.length > MAX_OTHERS ? [`and ${error.others.length - MAX_OTHERS} more errors`] : []),
  ];
}

function headline(error: SlipwayError): string[] {
  const [first = '', ...more] = withoutCredentials(printableText(error.message)).split('\n');
  return [`${`error: ${first}`.padEnd(CODE_COLUMN)} [${error.code}]`, ...more.map((line) => `  ${line}`)];
}

/** `Dockerfile:7`, and the lines around with the instruction's own marked. */
function excerpt({ range, text }: SourceExcerpt): string[] {
  const lines = text.replace(/\n$/, '').split('\n');
  const end = Math.max(range.endLine, range.startLine);
  const first = Math.max(range.startLine - LINES_AROUND, 1);
  const last = Math.min(end + LINES_AROUND, lines.length);
  const width = Math.max(String(last).length, 3);
  const rows = [`${shown(range.file)}:${range.startLine}`];
  for (let number = first; number <= last; number++) {
    const isMarked = number >= range.startLine && number <= end;
    const line = shown(lines[number - 1] ?? '');
    rows.push(`${isMarked ? '>>' : '  '} ${String(number).padStart(width)} | ${line}`.trimEnd());
  }
  return rows;
}

function shown(line: string): string {
  const printable = withoutCredentials(printableLine(line.replaceAll('\n', ' ')));
  return printable.length > MAX_LINE ? `${printable.slice(0, MAX_LINE)}…` : printable;
}

/** An error that is no SlipwayError: the system refused something, or slipway has a fault. */
function otherError(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const text = shown(message);
  if (errnoOf(error) !== undefined) return text;
  return `${text}\nThis is a fault in slipway, not in your build. Please report it, with what --debug adds to this message.`;
}

function stackOf(error: unknown): string[] {
  const rows: string[] = [];
  for (let cause: unknown = error; cause instanceof Error && rows.length < 200; cause = cause.cause) {
    rows.push(...(rows.length === 0 ? [] : ['caused by:']));
    rows.push(...withoutCredentials(printableText(cause.stack ?? cause.message)).split('\n'));
  }
  return rows;
}
