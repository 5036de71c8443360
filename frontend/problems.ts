import { SlipwayError, type SourceExcerpt } from '../src/core/errors.ts';

/** As many problems of one file are reported together; a file that is no Dockerfile at all has thousands. */
const MOST = 20;

/** The problems of one Dockerfile that do not follow from each other. */
export interface Problems {
  /** Whether enough is known: looking further for problems helps nobody. */
  readonly isFull: boolean;
  readonly isEmpty: boolean;
  /** Adds a problem with all that it brings along. One that was met before, word for word in the same place, is dropped. */
  add(problem: SlipwayError): void;
  /** What `action` returns; undefined where it throws a SlipwayError, which is added and gets `source` if it has no place. */
  attempt<Result>(source: SourceExcerpt | undefined, action: () => Result): Result | undefined;
  /** Throws the first one, in the order of lines, with the others as its `others`. */
  throwIfAny(): void;
}

/** An empty list. */
export function createProblems(): Problems {
  const found = new Map<string, SlipwayError>();
  const add = (problem: SlipwayError) => {
    if (found.size >= MOST) return;
    for (const one of [withoutOthers(problem), ...problem.others]) {
      const identity = `${one.message}\0${lineOf(one)}`;
      if (!found.has(identity)) found.set(identity, one);
    }
  };
  return {
    add,
    get isFull() {
      return found.size >= MOST;
    },
    get isEmpty() {
      return found.size === 0;
    },
    attempt(source, action) {
      try {
        return action();
      } catch (error) {
        if (!(error instanceof SlipwayError)) throw error;
        add(source === undefined ? error : error.at(source));
        return undefined;
      }
    },
    throwIfAny() {
      const [first, ...others] = [...found.values()].sort((a, b) => lineOf(a) - lineOf(b));
      if (first !== undefined) throw others.length === 0 ? first : withOthers(first, others);
    },
  };
}

function withoutOthers(problem: SlipwayError): SlipwayError {
  return problem.others.length === 0 ? problem : withOthers(problem, []);
}

function withOthers(problem: SlipwayError, others: readonly SlipwayError[]): SlipwayError {
  return new SlipwayError(problem.code as `SLIPWAY_${string}`, problem.message, {
    ...(problem.hint === undefined ? {} : { hint: problem.hint }),
    ...(problem.source === undefined ? {} : { source: problem.source }),
    ...(problem.cause === undefined ? {} : { cause: problem.cause }),
    others,
  });
}

function lineOf({ source }: SlipwayError): number {
  return source?.range.startLine ?? 0;
}
