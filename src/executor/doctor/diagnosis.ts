/** How RUN steps can be run, best first; `none`: not at all. */
export const RUNGS = ['oci root', 'oci rootless', 'native root', 'native rootless', 'chroot', 'none'] as const;

export type Rung = (typeof RUNGS)[number];

/** One thing that was looked at. */
export interface Check {
  readonly name: string;
  /** `missing`: can be had, see `fix`; `impossible`: not here, whatever is done inside of this machine or container. */
  readonly state: 'ok' | 'missing' | 'impossible';
  readonly found: string;
  /** What is lost without it. */
  readonly effect?: string;
  /** The command, sysctl or line of a pod's specification that mends it. */
  readonly fix?: string;
}

/** What `slipway doctor` says. Version of this shape: 1. */
export interface Diagnosis {
  readonly version: 1;
  readonly rung: Rung;
  /** What a build cannot have on this rung. */
  readonly lost: readonly string[];
  /** The next better rung, and what gains it; null on the best one. */
  readonly next: { readonly rung: Rung; readonly fixes: readonly string[] } | null;
  readonly checks: readonly Check[];
}
