import type { SlipwayError } from '../core/errors.ts';
import type { ProgressEvent } from '../core/progress.ts';
import { withoutCredentials } from './printable.ts';
import type { ProgressRenderer, RendererOutput } from './progress-renderer.ts';

/**
 * Every event as one line of JSON, in the shape of `ProgressEvent`, with three changes: `data` of `step-output` is base64, because a
 * process may write any bytes, `error` of `step-finished` is `{code, message, hint?, exitCode?, outputTail?, file?, line?}`, and URLs are
 * without user and password.
 */
export function rawJsonRenderer(output: RendererOutput): ProgressRenderer {
  return {
    emit: (event) => void output.write(`${JSON.stringify(jsonShape(event), withoutPassword)}\n`),
    close: () => {},
  };
}

function withoutPassword(_key: string, value: unknown): unknown {
  return typeof value === 'string' ? withoutCredentials(value) : value;
}

function jsonShape(event: ProgressEvent): unknown {
  if (event.type === 'step-output') return { ...event, data: Buffer.from(event.data).toString('base64') };
  if (event.type === 'step-finished' && event.error !== undefined) return { ...event, error: errorShape(event.error) };
  return event;
}

function errorShape({ code, message, hint, exitCode, outputTail, source }: SlipwayError): unknown {
  return { code, message, hint, exitCode, outputTail, file: source?.range.file, line: source?.range.startLine };
}
