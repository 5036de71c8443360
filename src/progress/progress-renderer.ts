import type { ProgressSink } from '../core/progress.ts';

/** Shows a build's events somewhere. */
export interface ProgressRenderer extends ProgressSink {
  /** Shows what is still held back and leaves the terminal as it was. Idempotent; nothing may be emitted afterwards. */
  close(): void;
}

/** What a renderer writes to; a terminal also tells its size. */
export interface RendererOutput {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  on?(event: 'resize', listener: () => void): unknown;
  off?(event: 'resize', listener: () => void): unknown;
}

export type ProgressMode = 'auto' | 'tty' | 'plain' | 'quiet' | 'rawjson';

type Environment = Readonly<Record<string, string | undefined>>;

/** The renderer for a mode; `auto` is `tty` where the output is a terminal that can be drawn on, else `plain`. */
export async function openRenderer(
  mode: ProgressMode,
  output: RendererOutput,
  env: Environment,
): Promise<ProgressRenderer> {
  const chosen = mode === 'auto' ? automatic(output, env) : mode;
  switch (chosen) {
    case 'tty':
      return new (await import('./tty-renderer.ts')).TtyRenderer(output, { colors: !env.NO_COLOR });
    case 'plain':
      return new (await import('./plain-renderer.ts')).PlainRenderer(output);
    case 'rawjson':
      return (await import('./rawjson-renderer.ts')).rawJsonRenderer(output);
    case 'quiet':
      return { emit: () => {}, close: () => {} };
    default:
      return chosen satisfies never;
  }
}

function automatic(output: RendererOutput, env: Environment): 'tty' | 'plain' {
  return output.isTTY === true && env.TERM !== 'dumb' ? 'tty' : 'plain';
}
