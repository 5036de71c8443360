import { type InitPlan, readPlan } from '../native/init-plan.ts';

/** What the init of a step is to do: of the config.json, its root and its process count. */
export interface ChrootPlan extends Pick<InitPlan, 'spec'> {
  /** `struct sock_filter[]` in base64; undefined for a process without a filter. */
  readonly seccompProgram: string | undefined;
  /** Where on this machine the step's /dev lies, with its `null`, `stdout` and `stderr`. */
  readonly devFolder: string;
}

/** A plan as one line. */
export function chrootPlanLine(plan: ChrootPlan): string {
  return `${JSON.stringify(plan)}\n`;
}

/** The plan that comes on the descriptor; undefined where that was closed without one. Waits for it. */
export function readChrootPlan(fd: number): ChrootPlan | undefined {
  return readPlan(fd) as (InitPlan & ChrootPlan) | undefined;
}
