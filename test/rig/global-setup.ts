import { rmSync } from 'node:fs';
import type { TestProject } from 'vitest/node';
import { makeBusyboxLayout, makeDebianLayout } from './base-images.ts';
import { type InstalledSlipway, installSlipway } from './install-slipway.ts';

/** What tests get by `inject`, made once for all files. */
declare module 'vitest' {
  interface ProvidedContext {
    readonly slipway: InstalledSlipway;
    /** Folder of an OCI layout with a busybox image; empty where busybox-static is missing. */
    readonly busybox: string;
    /** Folder of an OCI layout with debian:bookworm; empty where it is not asked for (SLIPWAY_HEAVY) or cannot be made. */
    readonly debian: string;
  }
}

/** Bundles the command line and makes the base images that the end-to-end tests build on. */
export function setup(project: TestProject): () => void {
  const slipway = installSlipway();
  project.provide('slipway', slipway);
  project.provide('busybox', makeBusyboxLayout(`${slipway.folder}/busybox`));
  project.provide('debian', process.env.SLIPWAY_HEAVY === '1' ? makeDebianLayout() : '');
  return () => rmSync(slipway.folder, { recursive: true, force: true });
}
