import { SlipwayError } from '../../../src/core/errors.ts';
import type { ProcessIO } from '../../../src/core/executor.ts';
import type { OpContext } from '../../solver.ts';

/** How much of the last output an error carries. */
const TAIL_BYTES = 16 * 1024;
const TAIL_LINES = 30;

/** A process's output on its way to progress, the end of it kept for the case of a failure. */
export interface CapturedOutput {
  readonly io: ProcessIO;
  /** The error with the last lines of the output, where it is the process's own failure. */
  explain(error: unknown): unknown;
}

/** Passes output on as it comes. */
export function captureOutput({ progress, stepId }: OpContext): CapturedOutput {
  let tail = Buffer.alloc(0);
  const take = (stream: 'stdout' | 'stderr', data: Uint8Array) => {
    progress.emit({ type: 'step-output', at: Date.now(), id: stepId, stream, data });
    tail = Buffer.concat([tail, data.subarray(-TAIL_BYTES)]).subarray(-TAIL_BYTES);
  };
  return {
    io: { stdout: (data) => take('stdout', data), stderr: (data) => take('stderr', data) },
    explain: (error) => (error instanceof SlipwayError && error.exitCode !== undefined ? withTail(error, tail) : error),
  };
}

function withTail(error: SlipwayError, tail: Buffer): SlipwayError {
  const { code, message, hint, exitCode, cause } = error;
  return new SlipwayError(code as `SLIPWAY_${string}`, message, {
    ...(hint === undefined ? {} : { hint }),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(cause === undefined ? {} : { cause }),
    outputTail: lastLines(tail),
  });
}

/** Whole lines, decoded; control characters are the renderer's to deal with. */
function lastLines(tail: Buffer): string[] {
  const lines = tail.toString().split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  // The first may have been cut.
  if (tail.length === TAIL_BYTES) lines.shift();
  return lines.slice(-TAIL_LINES);
}
