import { readFileSync } from 'node:fs';
import type { OciSpec } from '../oci-spec.ts';

/**
 * Descriptors of the init: the plan comes on one, what it has to say goes to one, the command's standard error waits on one. A command with
 * a terminal has that on 1 and on `stderr`.
 */
export const INIT_FDS = { report: 2, plan: 3, stderr: 4 } as const;

/** What the init is to do: a config.json, and the program that filters system calls. */
export interface InitPlan {
  readonly spec: OciSpec;
  /** Undefined for a process without a filter. */
  readonly seccomp: PlannedFilter | undefined;
  /** See `ContainerBundle`. */
  readonly cgroupFiles: readonly string[];
}

export interface PlannedFilter {
  /** `struct sock_filter[]` in base64. */
  readonly program: string;
  /** The unix socket to send the filter's listener to, for a filter that asks one; in the mount namespace that the init starts in. */
  readonly listenerPath: string | undefined;
}

/** The text of a plan; the limits in it are numbers of up to 20 digits. */
export function planText(plan: InitPlan): string {
  return JSON.stringify(plan);
}

/**
 * The plan that whoever started this process writes to the descriptor; undefined where it was closed without one. Waits for it.
 * Limits are read as bigints, which a JavaScript number would round.
 */
export function readPlan(fd: number): InitPlan | undefined {
  const text = readFileSync(fd, 'utf8');
  if (text === '') return undefined;
  return JSON.parse(text, readLimit) as InitPlan;
}

function readLimit(this: unknown, key: string, value: unknown, context?: { readonly source?: string }): unknown {
  const isLimit = (key === 'soft' || key === 'hard') && typeof value === 'number';
  return isLimit && context?.source !== undefined ? BigInt(context.source) : value;
}
