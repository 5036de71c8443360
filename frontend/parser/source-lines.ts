import { SlipwayError } from '../../src/core/errors.ts';

/** What BuildKit's scanner takes: bytes of a line, its newline included. */
const LONGEST_LINE_BYTES = 65_536;

/** A text line by line. */
export class SourceLines {
  /** The number of the line that was read last, from 1; 0 before the first. */
  number = 0;
  readonly #file: string;
  readonly #text: string;
  #at = 0;

  constructor(file: string, text: string) {
    this.#file = file;
    this.#text = text;
  }

  /** The next line with its newline; undefined at the end. Throws SlipwayError for a line that BuildKit would not read. */
  next(): string | undefined {
    if (this.#at >= this.#text.length) return undefined;
    const newline = this.#text.indexOf('\n', this.#at);
    const end = newline === -1 ? this.#text.length : newline + 1;
    const line = this.#text.slice(this.#at, end);
    this.#at = end;
    this.number++;
    if (isTooLong(line)) this.#refuse();
    return line;
  }

  #refuse(): never {
    throw new SlipwayError(
      'SLIPWAY_DOCKERFILE_INVALID',
      `dockerfile line greater than max allowed size of ${LONGEST_LINE_BYTES - 1} bytes`,
      {
        hint: 'put long data into a file of the build context and COPY it',
        source: { range: { file: this.#file, startLine: this.number, endLine: this.number }, text: this.#text },
      },
    );
  }
}

function isTooLong(line: string): boolean {
  if (line.length * 3 < LONGEST_LINE_BYTES) return false;
  const bytes = Buffer.byteLength(line);
  return bytes > LONGEST_LINE_BYTES || (bytes === LONGEST_LINE_BYTES && !line.endsWith('\n'));
}

/** Without carriage returns and newlines at the end. */
export function withoutNewline(line: string): string {
  let end = line.length;
  while (end > 0 && (line[end - 1] === '\n' || line[end - 1] === '\r')) end--;
  return line.slice(0, end);
}
