import { StringDecoder } from 'node:string_decoder';
import { printableLine } from './printable.ts';

/** No line is longer; what is longer is cut into several. */
export const MAX_LINE_CHARACTERS = 16 * 1024;

/** Cuts the bytes that a process writes into printable lines, whatever pieces they come in. */
export class OutputLines {
  readonly #decoder = new StringDecoder('utf8');
  #partial = '';

  /** Lines that are complete now. */
  push(data: Uint8Array): string[] {
    return this.#cut(this.#partial + this.#decoder.write(Buffer.from(data.buffer, data.byteOffset, data.byteLength)));
  }

  /** What was left without a line end. */
  flush(): string[] {
    const rest = this.#cut(this.#partial + this.#decoder.end());
    const partial = printableLine(this.#partial);
    this.#partial = '';
    return partial === '' ? rest : [...rest, partial];
  }

  #cut(text: string): string[] {
    const lines = text.split('\n');
    const last = lines.pop() ?? '';
    const complete = lines.flatMap((line) => pieces(line).map(printableLine));
    // A progress bar that only ever returns to the start of its line must not grow without end.
    const rest = last.length > MAX_LINE_CHARACTERS ? last.slice(last.lastIndexOf('\r', last.length - 2) + 1) : last;
    const whole = pieces(rest);
    this.#partial = whole.pop() ?? '';
    return [...complete, ...whole.map(printableLine)];
  }
}

function pieces(line: string): string[] {
  if (line.length <= MAX_LINE_CHARACTERS) return [line];
  const parts: string[] = [];
  for (let start = 0; start < line.length; start += MAX_LINE_CHARACTERS)
    parts.push(line.slice(start, start + MAX_LINE_CHARACTERS));
  return parts;
}
