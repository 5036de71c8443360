import { formatBytes } from '../core/format-bytes.ts';
import type { ProgressEvent } from '../core/progress.ts';
import { LiveRegion, type Row } from './live-region.ts';
import { OutputLines } from './output-lines.ts';
import { warningText } from './plain-renderer.ts';
import { printableLine, withoutCredentials } from './printable.ts';
import type { ProgressRenderer, RendererOutput } from './progress-renderer.ts';

/** Frames are drawn no oftener than this, and at least this often while something runs (the times count up). */
const FRAME_MS = 100;
/** Last lines of a running step's output that are shown. */
const OUTPUT_LINES = 6;

interface Step {
  readonly name: string;
  startedAt: number | undefined;
  readonly stdout: OutputLines;
  readonly stderr: OutputLines;
  tail: string[];
  readonly transfers: Map<string, string>;
}

interface Ending {
  readonly text: string;
  readonly color: NonNullable<Row['color']>;
}

type EventOf<Type extends ProgressEvent['type']> = Extract<ProgressEvent, { type: Type }>;

/**
 * Progress on a terminal. Steps that are over stay above as one line each; below them the running ones are drawn again and again, with
 * their times and the last lines of their output.
 */
export class TtyRenderer implements ProgressRenderer {
  readonly #region: LiveRegion;
  readonly #steps = new Map<string, Step>();
  readonly #running = new Set<Step>();
  readonly #now: () => number;
  #pending: Row[] = [];
  #startedAt: number | undefined;
  #planned = 0;
  #finishedCount = 0;
  #end: Ending | undefined;
  #frame: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(output: RendererOutput, options: { readonly colors: boolean; readonly now?: () => number }) {
    this.#region = new LiveRegion(output, options.colors);
    this.#now = options.now ?? Date.now;
  }

  emit(event: ProgressEvent): void {
    switch (event.type) {
      case 'build-started':
        this.#startedAt = event.at;
        break;
      case 'step-planned':
        this.#plan(event);
        break;
      case 'step-started':
        this.#start(event);
        break;
      case 'step-output':
        this.#outputLines(event);
        break;
      case 'step-progress':
        this.#transfer(event);
        break;
      case 'step-finished':
        this.#finish(event);
        break;
      case 'warning':
        this.#pending.push({ left: ` ! ${warningText(event)}`, color: 'yellow', cut: 'never' });
        break;
      case 'notice':
        this.#pending.push({ left: ` * ${withoutCredentials(printableLine(event.message))}`, cut: 'never' });
        break;
      case 'build-finished':
        this.#end = endOf(event.outcome);
        break;
      default:
        event satisfies never;
    }
    this.#frame ??= setTimeout(() => this.#tick(), FRAME_MS).unref();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#frame);
    this.#region.draw(this.#takePending(), [this.#header()]);
    this.#region.leave();
  }

  #plan({ step }: EventOf<'step-planned'>): void {
    this.#planned++;
    this.#steps.set(step.id, {
      name: withoutCredentials(printableLine(step.name.replaceAll('\n', ' '))),
      startedAt: undefined,
      stdout: new OutputLines(),
      stderr: new OutputLines(),
      tail: [],
      transfers: new Map(),
    });
  }

  #start({ id, at }: EventOf<'step-started'>): void {
    const step = this.#steps.get(id);
    if (step === undefined) return;
    step.startedAt = at;
    this.#running.add(step);
  }

  #outputLines({ id, stream, data }: EventOf<'step-output'>): void {
    const step = this.#steps.get(id);
    if (step === undefined) return;
    step.tail = [...step.tail, ...step[stream].push(data)].slice(-OUTPUT_LINES);
  }

  #transfer({ id, task, current, total, unit }: EventOf<'step-progress'>): void {
    const amount = unit === 'bytes' ? formatBytes : String;
    const of = total === undefined ? '' : ` / ${amount(total)}`;
    this.#steps.get(id)?.transfers.set(task, `${printableLine(task)} ${amount(current)}${of}`);
  }

  #finish({ id, at, outcome }: EventOf<'step-finished'>): void {
    const step = this.#steps.get(id);
    if (step === undefined || !this.#steps.delete(id)) return;
    this.#running.delete(step);
    this.#finishedCount++;
    if (outcome === 'cancelled' && step.startedAt === undefined) return;
    const words = { done: '', cached: 'CACHED ', failed: 'ERROR ', cancelled: 'CANCELED ' };
    const colors = { done: 'blue', cached: 'blue', failed: 'red', cancelled: 'yellow' } as const;
    this.#pending.push({
      left: ` => ${words[outcome]}${step.name}`,
      right: seconds(at - (step.startedAt ?? at)),
      color: colors[outcome],
      cut: outcome === 'failed' ? 'never' : 'to-width',
    });
  }

  #tick(): void {
    this.#frame = undefined;
    this.#region.draw(this.#takePending(), [this.#header(), ...this.#runningRows()]);
    if (this.#running.size > 0) this.#frame = setTimeout(() => this.#tick(), FRAME_MS).unref();
  }

  #takePending(): Row[] {
    const rows = this.#pending;
    this.#pending = [];
    return rows;
  }

  #header(): Row {
    const time = this.#startedAt === undefined ? 0 : this.#now() - this.#startedAt;
    const left = `[+] Building ${seconds(time)} (${this.#finishedCount}/${this.#planned})`;
    return this.#end === undefined
      ? { left, cut: 'to-width' }
      : { left: `${left} ${this.#end.text}`, color: this.#end.color, cut: 'to-width' };
  }

  /** The running steps, oldest first; their output lines share the space that the terminal has. */
  #runningRows(): Row[] {
    const steps = [...this.#running];
    const space = Math.max(this.#region.rows - 2 - steps.length, 0);
    const each = Math.min(OUTPUT_LINES, Math.floor(space / Math.max(steps.length, 1)));
    return steps.flatMap((step): Row[] => {
      const running: Row = {
        left: ` => ${step.name}`,
        right: seconds(this.#now() - (step.startedAt ?? 0)),
        cut: 'to-width',
      };
      const below = each === 0 ? [] : [...step.transfers.values(), ...step.tail].slice(-each);
      return [running, ...below.map((text): Row => ({ left: ` => => ${text}`, color: 'dim', cut: 'to-width' }))];
    });
  }
}

function endOf(outcome: EventOf<'build-finished'>['outcome']): Ending {
  switch (outcome) {
    case 'built':
      return { text: 'FINISHED', color: 'blue' };
    case 'failed':
      return { text: 'FAILED', color: 'red' };
    case 'cancelled':
      return { text: 'CANCELED', color: 'yellow' };
    default:
      return outcome satisfies never;
  }
}

function seconds(milliseconds: number): string {
  return `${(Math.max(milliseconds, 0) / 1000).toFixed(1)}s`;
}
