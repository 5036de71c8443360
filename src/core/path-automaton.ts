/** Whether a character, by its code point, is one of a class. */
export type CharTest = (code: number) => boolean;

/**
 * A state of the automaton. `one` passes on with a character; `many` stays with one, or passes on with none; `skip` passes on and also
 * jumps over the next state; `folders` stays with any character but a newline, and passes on with a slash; `start` and `end` pass on at
 * the ends of the path, `boundary` and `inside` where a word starts or ends, or where none does.
 */
export type State =
  | { readonly kind: 'one'; readonly test: CharTest; readonly literal?: string }
  | { readonly kind: 'many'; readonly test: CharTest }
  | { readonly kind: 'skip' }
  | { readonly kind: 'folders' }
  | { readonly kind: 'start' | 'end' | 'boundary' | 'inside' | 'accept' };

/** Alternatives one after the other, each ended by `accept`; `starts` says where each begins. A match may lie anywhere in a path. */
export interface Expression {
  readonly states: readonly State[];
  readonly starts: readonly number[];
}

const NEWLINE = 10;
const SLASH = 47;

/** Whether an expression matches: all its states are followed at once. Literal text at the ends decides for most paths before that. */
export function automatonOf({ states, starts }: Expression): (path: string) => boolean {
  const [prefix, suffix] = starts.length === 1 ? literalEnds(states) : ['', ''];
  const floating = starts.filter((start) => states[start]?.kind !== 'start');
  let [now, next] = [new StateSet(states), new StateSet(states)];
  return (path) => {
    if (!path.startsWith(prefix) || !path.endsWith(suffix)) return false;
    now.clear();
    for (const start of starts) now.add(start);
    now.close(placeIn(path, 0, undefined));
    for (let at = 0; at < path.length && !now.isAccepting && (now.size > 0 || floating.length > 0); ) {
      const code = path.codePointAt(at) ?? 0;
      at += code > 0xffff ? 2 : 1;
      next.clear();
      now.step(code, next);
      for (const start of floating) next.add(start);
      next.close(placeIn(path, at, code));
      [now, next] = [next, now];
    }
    return now.isAccepting;
  };
}

/** What is known of a place without following a character. */
interface Place {
  readonly isStart: boolean;
  readonly isEnd: boolean;
  readonly isBoundary: boolean;
}

function placeIn(path: string, at: number, before: number | undefined): Place {
  const after = path.codePointAt(at);
  return { isStart: at === 0, isEnd: after === undefined, isBoundary: isWordChar(before) !== isWordChar(after) };
}

function isWordChar(code: number | undefined): boolean {
  if (code === undefined || code > 122) return false;
  return code >= 97 || code === 95 || (code >= 65 && code <= 90) || (code >= 48 && code <= 57);
}

/** What every match starts and ends with. */
function literalEnds(states: readonly State[]): readonly [prefix: string, suffix: string] {
  const isAnchored = states[0]?.kind === 'start' && states.at(-2)?.kind === 'end';
  if (!isAnchored) return ['', ''];
  return [literalRun(states, 1, 1), literalRun(states, states.length - 3, -1)];
}

/** The literal text from a state on, forwards or backwards; what a `skip` may jump over is not sure to be there. */
function literalRun(states: readonly State[], from: number, step: 1 | -1): string {
  let run = '';
  for (let at = from; ; at += step) {
    const state = states[at];
    if (state?.kind !== 'one' || state.literal === undefined || states[at - 1]?.kind === 'skip') return run;
    run = step === 1 ? run + state.literal : state.literal + run;
  }
}

/** States that are active at one place of the path. */
class StateSet {
  size = 0;
  isAccepting = false;
  readonly #states: readonly State[];
  readonly #members: Uint32Array;
  readonly #isMember: Uint8Array;

  constructor(states: readonly State[]) {
    this.#states = states;
    this.#members = new Uint32Array(states.length);
    this.#isMember = new Uint8Array(states.length);
  }

  clear(): void {
    for (let index = 0; index < this.size; index++) this.#isMember[this.#members[index] ?? 0] = 0;
    this.size = 0;
    this.isAccepting = false;
  }

  add(state: number): void {
    if (this.#isMember[state] === 1) return;
    this.#isMember[state] = 1;
    this.#members[this.size++] = state;
  }

  /** Adds everything that is reached without a character. */
  close(place: Place): void {
    for (let index = 0; index < this.size; index++) {
      const at = this.#members[index] ?? 0;
      const kind = this.#states[at]?.kind;
      if (kind === 'accept') this.isAccepting = true;
      else if (kind !== undefined && passesOn(kind, place)) {
        this.add(at + 1);
        if (kind === 'skip') this.add(at + 2);
      }
    }
  }

  /** Puts where a character leads from here into `next`. */
  step(code: number, next: StateSet): void {
    for (let index = 0; index < this.size; index++) {
      const at = this.#members[index] ?? 0;
      const state = this.#states[at];
      if (state?.kind === 'one' && state.test(code)) next.add(at + 1);
      else if (state?.kind === 'many' && state.test(code)) next.add(at);
      else if (state?.kind === 'folders' && code !== NEWLINE) {
        next.add(at);
        if (code === SLASH) next.add(at + 1);
      }
    }
  }
}

/** Whether a state leads to the next one without a character. */
function passesOn(kind: State['kind'], { isStart, isEnd, isBoundary }: Place): boolean {
  switch (kind) {
    case 'many':
    case 'skip':
      return true;
    case 'start':
      return isStart;
    case 'end':
      return isEnd;
    case 'boundary':
      return isBoundary;
    case 'inside':
      return !isBoundary;
    case 'one':
    case 'folders':
    case 'accept':
      return false;
    default:
      return kind satisfies never;
  }
}
