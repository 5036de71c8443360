import type { RendererOutput } from '../../src/progress/progress-renderer.ts';
import { textWidth } from '../../src/progress/text-width.ts';

/** A terminal just clever enough for the tty renderer: it knows the escapes that the renderer uses, and throws for others. */
export class Screen implements RendererOutput {
  columns: number;
  rows: number;
  writes = 0;
  isCursorVisible = true;
  hasColors = false;
  readonly isTTY = true;
  /** Lines that left the screen at its top. */
  readonly scrolled: string[] = [];
  #lines: string[] = [''];
  #row = 0;

  constructor(columns: number, rows: number) {
    this.columns = columns;
    this.rows = rows;
  }

  /** What is on the screen, without the empty lines at the end. */
  get lines(): readonly string[] {
    const last = this.#lines.findLastIndex((line) => line !== '');
    return this.#lines.slice(0, last + 1);
  }

  /** Wraps lines that are too long for the new width, as terminals do. */
  resize(columns: number, rows: number): void {
    this.columns = columns;
    this.rows = rows;
    const before = this.#lines.slice(0, this.#row).flatMap((line) => this.#wrapped(line));
    this.#lines = [...before, ...this.#lines.slice(this.#row).flatMap((line) => this.#wrapped(line))];
    this.#row = before.length;
  }

  write(text: string): void {
    this.writes++;
    for (const [token] of text.matchAll(/\u001b\[[?\d;]*[A-Za-z]|\n|[^\u001b\n]+/g)) this.#take(token);
  }

  #take(token: string): void {
    if (token === '\n') this.#newLine();
    else if (!token.startsWith('\u001b')) this.#text(token);
    else this.#escape(token.slice(2));
  }

  #escape(code: string): void {
    if (code === '?25l' || code === '?25h') this.isCursorVisible = code === '?25h';
    else if (code === 'K') this.#lines[this.#row] = '';
    else if (code === 'J') this.#lines.splice(this.#row, this.#lines.length, '');
    else if (code.endsWith('F')) this.#row = Math.max(this.#row - Number.parseInt(code, 10), 0);
    else if (code.endsWith('m')) this.hasColors = true;
    else if (!code.startsWith('?2026')) throw new Error(`the screen does not know ESC [ ${code}`);
  }

  #text(text: string): void {
    const [first = '', ...more] = this.#wrapped(text);
    this.#lines[this.#row] = first;
    for (const line of more) {
      this.#newLine();
      this.#lines[this.#row] = line;
    }
  }

  #newLine(): void {
    this.#row++;
    this.#lines[this.#row] ??= '';
    if (this.#row < this.rows) return;
    this.scrolled.push(this.#lines.shift() ?? '');
    this.#row--;
  }

  #wrapped(text: string): string[] {
    const lines = [''];
    for (const character of text) {
      const line = lines.at(-1) ?? '';
      if (textWidth(line + character) > this.columns) lines.push(character);
      else lines[lines.length - 1] = line + character;
    }
    return lines;
  }
}
