import { formatBytes } from '../core/format-bytes.ts';
import type { ProgressEvent, StepInfo } from '../core/progress.ts';
import { OutputLines } from './output-lines.ts';
import { printableLine, withoutCredentials } from './printable.ts';
import type { ProgressRenderer, RendererOutput } from './progress-renderer.ts';

/** How long a step that says nothing keeps the page when others have something to say. */
const PATIENCE_MS = 1000;
/** Held-back text of steps that are not on the page; above it the page changes. */
const MAX_HELD_CHARACTERS = 64 * 1024;
/** A transfer is told of again after this time. */
const TRANSFER_INTERVAL_MS = 5000;

interface Step {
  readonly info: StepInfo;
  /** Given when the step is first shown. */
  number?: number;
  startedAt: number;
  readonly stdout: OutputLines;
  readonly stderr: OutputLines;
  /** Lines that wait until the step is on the page. */
  held: string[];
  heldCharacters: number;
  readonly transfers: Map<string, number>;
  isFinished: boolean;
}

type EventOf<Type extends ProgressEvent['type']> = Extract<ProgressEvent, { type: Type }>;

/**
 * Docker's plain progress: `#5 [2/4] RUN x`, the step's output with its number and its seconds, `#5 DONE 0.3s`. Output of steps that run at
 * the same time is not mixed line by line: one step has the page until it is done, or silent while others are not.
 */
export class PlainRenderer implements ProgressRenderer {
  readonly #output: RendererOutput;
  readonly #steps = new Map<string, Step>();
  #numbered = 0;
  #current: Step | undefined;
  #isBlank = true;
  #isAside = false;
  #patience: NodeJS.Timeout | undefined;

  constructor(output: RendererOutput) {
    this.#output = output;
  }

  emit(event: ProgressEvent): void {
    switch (event.type) {
      case 'build-started':
      case 'build-finished':
        break;
      case 'step-planned':
        this.#steps.set(event.step.id, newStep(event.step));
        break;
      case 'step-started':
        this.#started(event);
        break;
      case 'step-output':
        this.#outputLines(event);
        break;
      case 'step-progress':
        this.#transfer(event);
        break;
      case 'step-finished':
        this.#finished(event);
        break;
      case 'warning':
        this.#aside(` ! ${warningText(event)}`);
        break;
      case 'notice':
        this.#aside(` * ${withoutCredentials(printableLine(event.message))}`);
        break;
      default:
        event satisfies never;
    }
  }

  close(): void {
    clearTimeout(this.#patience);
    for (const step of this.#steps.values()) {
      if (step.isFinished || step.startedAt === 0) continue;
      this.#say(step, this.#remaining(step, Date.now()));
      if (step.held.length > 0) this.#turnTo(step);
    }
  }

  #started(event: EventOf<'step-started'>): void {
    const step = this.#steps.get(event.id);
    if (step === undefined) return;
    step.startedAt = event.at;
    this.#say(step, [], 'show');
  }

  #outputLines(event: EventOf<'step-output'>): void {
    const step = this.#steps.get(event.id);
    if (step === undefined) return;
    const lines = (event.stream === 'stdout' ? step.stdout : step.stderr).push(event.data);
    this.#say(step, timed(step, lines, event.at));
  }

  #transfer(event: EventOf<'step-progress'>): void {
    const step = this.#steps.get(event.id);
    if (step === undefined) return;
    const isComplete = event.total !== undefined && event.current >= event.total;
    const last = step.transfers.get(event.task) ?? Number.NEGATIVE_INFINITY;
    if (last === Number.POSITIVE_INFINITY || (!isComplete && event.at - last < TRANSFER_INTERVAL_MS)) return;
    step.transfers.set(event.task, isComplete ? Number.POSITIVE_INFINITY : event.at);
    const amount = event.unit === 'bytes' ? formatBytes : String;
    const of = event.total === undefined ? '' : ` / ${amount(event.total)}`;
    this.#say(step, [`${printableLine(event.task)} ${amount(event.current)}${of}${isComplete ? ' done' : ''}`]);
  }

  #finished(event: EventOf<'step-finished'>): void {
    const step = this.#steps.get(event.id);
    if (step === undefined || step.isFinished) return;
    step.isFinished = true;
    if (event.outcome === 'cancelled' && step.startedAt === 0) return;
    this.#say(step, [...this.#remaining(step, event.at), outcomeText(step, event)]);
    this.#turnTo(step);
    this.#current = undefined;
    const waiting = this.#waiting();
    if (waiting !== undefined) this.#turnTo(waiting);
  }

  #remaining(step: Step, at: number): string[] {
    return timed(step, [...step.stdout.flush(), ...step.stderr.flush()], at);
  }

  /** Puts lines on the page if the step has it or can have it, else holds them back. `show` names the step even without lines. */
  #say(step: Step, lines: readonly string[], show?: 'show'): void {
    if (lines.length === 0 && show === undefined) return;
    step.held.push(...lines);
    for (const line of lines) step.heldCharacters += line.length;
    const isItsTurn = this.#current === undefined || this.#current === step;
    if (isItsTurn || step.heldCharacters > MAX_HELD_CHARACTERS) this.#turnTo(step);
    else this.#patience ??= setTimeout(() => this.#losePatience(), PATIENCE_MS).unref();
  }

  #losePatience(): void {
    this.#patience = undefined;
    const waiting = this.#waiting();
    if (waiting !== undefined) this.#turnTo(waiting);
  }

  #waiting(): Step | undefined {
    for (const step of this.#steps.values()) if (step.held.length > 0) return step;
    return undefined;
  }

  #turnTo(step: Step): void {
    clearTimeout(this.#patience);
    this.#patience = undefined;
    let text = '';
    if (this.#current !== step) {
      if (this.#current?.number !== undefined) text += `#${this.#current.number} ...\n`;
      step.number ??= ++this.#numbered;
      text += `${this.#isBlank ? '' : '\n'}#${step.number} ${stepName(step)}\n`;
      this.#current = step;
    }
    for (const line of step.held) text += `#${step.number} ${line}\n`;
    step.held = [];
    step.heldCharacters = 0;
    this.#write(text);
    if (this.#waiting() !== undefined) this.#patience = setTimeout(() => this.#losePatience(), PATIENCE_MS).unref();
  }

  /** A line that belongs to no step; consecutive ones stand together. */
  #aside(line: string): void {
    if (this.#current?.number !== undefined) this.#write(`#${this.#current.number} ...\n`);
    this.#current = undefined;
    this.#write(`${this.#isBlank || this.#isAside ? '' : '\n'}${line}\n`);
    this.#isAside = true;
  }

  #write(text: string): void {
    if (text === '') return;
    this.#isBlank = false;
    this.#isAside = false;
    this.#output.write(text);
  }
}

function newStep(info: StepInfo): Step {
  return {
    info,
    startedAt: 0,
    stdout: new OutputLines(),
    stderr: new OutputLines(),
    held: [],
    heldCharacters: 0,
    transfers: new Map(),
    isFinished: false,
  };
}

function stepName(step: Step): string {
  return withoutCredentials(printableLine(step.info.name.replaceAll('\n', ' ')));
}

function timed(step: Step, lines: readonly string[], at: number): string[] {
  const seconds = Math.max((at - step.startedAt) / 1000, 0).toFixed(3);
  return lines.map((line) => `${seconds} ${line}`);
}

function outcomeText(step: Step, { outcome, at, error }: EventOf<'step-finished'>): string {
  switch (outcome) {
    case 'done':
      return step.startedAt === 0 ? 'DONE' : `DONE ${Math.max((at - step.startedAt) / 1000, 0).toFixed(1)}s`;
    case 'cached':
      return 'CACHED';
    case 'cancelled':
      return 'CANCELED';
    case 'failed':
      return `ERROR: ${withoutCredentials(printableLine((error?.message ?? 'failed').replaceAll('\n', ' ')))}`;
    default:
      return outcome satisfies never;
  }
}

/** `StageNameCasing: Stage name 'A' should be lowercase (Dockerfile:3)` */
export function warningText({ code, message, file, line }: EventOf<'warning'>): string {
  const place = file === undefined ? '' : ` (${file}${line === undefined ? '' : `:${line}`})`;
  return `${code}: ${withoutCredentials(printableLine(message + place))}`;
}
