/** Changes permission bits (`mode & 0o7777`) as one `--chmod` asks; folders count as executable for `X`. */
export type ModeChange = (mode: number, kind: 'folder' | 'other') => number;

const USER = 0o4700;
const GROUP = 0o2070;
const OTHERS = 0o0007;
const EVERYBODY = USER | GROUP | OTHERS;
const STICKY = 0o1000;
const READ = 0o444;
const WRITE = 0o222;
const EXECUTE = 0o111;
const SET_ID = 0o6000;

/** One step of a symbolic mode. */
type Step = { readonly step: 'clear' | 'set' | 'set-if-executable'; readonly bits: number } | CopyStep;

/** Copies the bits of one class to others, shifted into place, or clears there what the class has. */
interface CopyStep {
  readonly step: 'copy';
  readonly from: 'u' | 'g' | 'o';
  readonly to: readonly number[];
  readonly operator: '+' | '-' | '=';
}

/** The change that `--chmod` means: octal bits, or a symbolic mode; undefined for a text that is neither. */
export function modeChange(chmod: number | string): ModeChange | undefined {
  if (typeof chmod === 'number') return () => chmod & 0o7777;
  const steps = parseSymbolicMode(chmod);
  return steps === undefined ? undefined : (mode, kind) => applySteps(steps, mode, kind);
}

/**
 * Parses what chmod(1) takes, by the rules of BSD's setmode(3) with no umask, which BuildKit has too: without a class every
 * class is meant, and `t` without one means the sticky bit alone.
 */
function parseSymbolicMode(text: string): readonly Step[] | undefined {
  const steps: Step[] = [];
  for (const clause of text.split(',')) {
    const match = /^([augo]*)((?:[-+=][rwxXstugo]*)+)$/.exec(clause);
    if (match === null) return undefined;
    const classes = classBits(match[1] ?? '');
    for (const action of (match[2] ?? '').match(/[-+=][^-+=]*/g) ?? []) {
      steps.push(...actionSteps(classes, action[0] as '+' | '-' | '=', action.slice(1)));
    }
  }
  return steps;
}

function classBits(letters: string): number {
  let bits = 0;
  for (const letter of letters) bits |= { u: USER, g: GROUP, o: OTHERS }[letter] ?? EVERYBODY;
  return bits;
}

/** `letters` in order; permissions gathered so far come before a class that is copied. */
function actionSteps(classes: number, operator: '+' | '-' | '=', letters: string): Step[] {
  const steps: Step[] = [];
  let who = classes;
  let bits = 0;
  let ifExecutable = 0;
  let isAssigned = false;
  const flush = (when: 'before copy' | 'at end') => {
    if (bits !== 0 || (when === 'at end' && operator === '=' && !isAssigned)) {
      steps.push(...bitSteps(who, operator, bits));
      bits = 0;
    }
    if (when === 'before copy' && operator === '=') isAssigned = true;
    if (ifExecutable !== 0) steps.push({ step: 'set-if-executable', bits: within(who, ifExecutable) });
    ifExecutable = 0;
  };
  for (const letter of letters) {
    if (letter === 'r') bits |= READ;
    else if (letter === 'w') bits |= WRITE;
    else if (letter === 'x' || (letter === 'X' && operator === '-')) bits |= EXECUTE;
    else if (letter === 'X') ifExecutable = EXECUTE;
    else if (letter === 's') bits |= isOthersOnly(who) ? 0 : SET_ID;
    else if (letter === 't') {
      if (isOthersOnly(who)) continue;
      who |= STICKY;
      bits |= STICKY;
    } else {
      flush('before copy');
      steps.push({ step: 'copy', from: letter as 'u' | 'g' | 'o', to: shiftsOf(who), operator });
    }
  }
  flush('at end');
  return steps;
}

function bitSteps(who: number, operator: '+' | '-' | '=', bits: number): Step[] {
  if (operator === '-') return [{ step: 'clear', bits: within(who, bits) }];
  const set: Step = { step: 'set', bits: within(who, bits) };
  return operator === '+' ? [set] : [{ step: 'clear', bits: who === 0 ? EVERYBODY : who }, set];
}

function within(who: number, bits: number): number {
  return who === 0 ? bits : bits & who;
}

function isOthersOnly(who: number): boolean {
  return who !== 0 && (who & ~OTHERS) === 0;
}

function shiftsOf(who: number): number[] {
  if (who === 0) return [6, 3, 0];
  return [6, 3, 0].filter((shift) => (who & (0o4 << shift)) !== 0);
}

function applySteps(steps: readonly Step[], before: number, kind: 'folder' | 'other'): number {
  let mode = before;
  for (const step of steps) {
    if (step.step === 'copy') mode = copyClass(mode, step);
    else if (step.step === 'clear') mode &= ~step.bits;
    else if (step.step === 'set' || (before & EXECUTE) !== 0 || kind === 'folder') mode |= step.bits;
  }
  return mode;
}

function copyClass(before: number, step: CopyStep): number {
  const value = (before >> { u: 6, g: 3, o: 0 }[step.from]) & 0o7;
  let mode = before;
  for (const shift of step.to) {
    if (step.operator === '=') mode &= ~(0o7 << shift);
    if (step.operator === '-') mode &= ~(value << shift);
    else mode |= value << shift;
  }
  return mode;
}
