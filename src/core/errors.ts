/** A place in a text that the user wrote. Lines count from 1; `endLine` is included. */
export interface SourceRange {
  readonly file: string;
  readonly startLine: number;
  readonly endLine: number;
}

/** A range together with the whole text it points into, so that an error can show the lines around it. */
export interface SourceExcerpt {
  readonly range: SourceRange;
  readonly text: string;
}

export interface SlipwayErrorOptions {
  /** What the user can do about it, one sentence. */
  readonly hint?: string;
  /** Where in which text the cause stands. */
  readonly source?: SourceExcerpt;
  readonly cause?: unknown;
  /** Last lines of a failed step's output, oldest first. */
  readonly outputTail?: readonly string[];
  /** Exit code of the failed process, where a process failed. */
  readonly exitCode?: number;
  /** Other problems of the same kind that were found independently (for instance in the same Dockerfile). */
  readonly others?: readonly SlipwayError[];
}

/**
 * A problem that a user can meet and do something about. `code` (`SLIPWAY_<NOUN>_<PROBLEM>`) is stable and listed in the
 * README; `message` says what failed, on which object, what was expected and what was found. Impossible states are plain
 * `Error`s whose message starts with `internal:`.
 */
export class SlipwayError extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  readonly source: SourceExcerpt | undefined;
  readonly outputTail: readonly string[] | undefined;
  readonly exitCode: number | undefined;
  readonly others: readonly SlipwayError[];

  constructor(code: `SLIPWAY_${string}`, message: string, options: SlipwayErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SlipwayError';
    this.code = code;
    this.hint = options.hint;
    this.source = options.source;
    this.outputTail = options.outputTail;
    this.exitCode = options.exitCode;
    this.others = options.others ?? [];
  }

  /** The same error with a place, unless it has one already: facts are added as an error rises. */
  at(source: SourceExcerpt): SlipwayError {
    if (this.source !== undefined) return this;
    return new SlipwayError(this.code as `SLIPWAY_${string}`, this.message, {
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      source,
      ...(this.cause === undefined ? {} : { cause: this.cause }),
      ...(this.outputTail === undefined ? {} : { outputTail: this.outputTail }),
      ...(this.exitCode === undefined ? {} : { exitCode: this.exitCode }),
      others: this.others,
    });
  }
}

/** The errno name (`ENOENT`) of a failed system call, or undefined for anything else. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** What failed first, where giving back what was held then failed as well: the rest follows from it, and helps nobody. */
export function firstFailure(error: unknown): unknown {
  let first = error;
  while (first instanceof SuppressedError) first = first.suppressed;
  return first;
}
