import type { RendererOutput } from './progress-renderer.ts';
import { fitText, textWidth } from './text-width.ts';

/** One line of the screen; `right` stands at the right edge. */
export interface Row {
  readonly left: string;
  readonly right?: string;
  readonly color?: 'blue' | 'red' | 'yellow' | 'dim';
  /** Whether a line that is too long is cut, or wrapped by the terminal. Rows that are drawn again have to be cut. */
  readonly cut: 'to-width' | 'never';
}

const COLORS = { blue: '34', red: '31', yellow: '33', dim: '2' } as const;
const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';
const ERASE_LINE = '\u001b[K';
const ERASE_BELOW = '\u001b[J';
// Terminals that know synchronized output show a frame as a whole; others ignore the marks.
const BEGIN_FRAME = '\u001b[?2026h';
const END_FRAME = '\u001b[?2026l';

/**
 * The lines at the bottom of a terminal that are drawn again and again, and the lines that go above them for good. One write a frame;
 * `leave` puts the cursor back.
 */
export class LiveRegion {
  readonly #output: RendererOutput;
  readonly #hasColors: boolean;
  /** Widths of the lines drawn last: where the terminal got narrower since, they take several rows each. */
  #drawn: readonly number[] = [];
  #isCursorHidden = false;

  constructor(output: RendererOutput, hasColors: boolean) {
    this.#output = output;
    this.#hasColors = hasColors;
  }

  get columns(): number {
    return Math.max(this.#output.columns ?? 80, 1);
  }

  get rows(): number {
    return Math.max(this.#output.rows ?? 24, 1);
  }

  /** Replaces the region by `above`, which stays, and `live`, which the next call replaces. */
  draw(above: readonly Row[], live: readonly Row[]): void {
    const shown = live.slice(0, Math.max(this.rows - 1, 1));
    // Lines are erased one by one: a terminal that is told to erase all of its screen may keep a copy of it in its history.
    const lines = [...above, ...shown].map((row) => `${ERASE_LINE}${this.#line(row)}\n`);
    const hide = this.#isCursorHidden ? '' : HIDE_CURSOR;
    this.#isCursorHidden = true;
    this.#output.write(`${BEGIN_FRAME}${hide}${this.#back()}${lines.join('')}${ERASE_BELOW}${END_FRAME}`);
    this.#drawn = shown.map((row) => Math.min(rowWidth(row), this.columns));
  }

  /** Leaves what is drawn on the screen, and shows the cursor. */
  leave(): void {
    this.#drawn = [];
    if (!this.#isCursorHidden) return;
    this.#isCursorHidden = false;
    this.#output.write(SHOW_CURSOR);
  }

  /** To the first row of what was drawn last. */
  #back(): string {
    const columns = this.columns;
    const rows = this.#drawn.reduce((sum, width) => sum + Math.max(Math.ceil(width / columns), 1), 0);
    return rows === 0 ? '' : `\u001b[${rows}F`;
  }

  #line({ left, right, color, cut }: Row): string {
    const room = this.columns - (right === undefined ? 0 : textWidth(right) + 1);
    const text = cut === 'to-width' ? fitText(left, room) : left;
    const gap = right === undefined ? '' : ' '.repeat(Math.max(room - textWidth(text), 0) + 1);
    const line = `${text}${gap}${right ?? ''}`;
    return color !== undefined && this.#hasColors ? `\u001b[${COLORS[color]}m${line}\u001b[0m` : line;
  }
}

/** Columns of a row before it is cut; with something at its right edge it fills the line. */
function rowWidth({ left, right }: Row): number {
  return right === undefined ? textWidth(left) : Number.POSITIVE_INFINITY;
}
