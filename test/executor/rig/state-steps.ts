import { fileURLToPath } from 'node:url';
import type { StepRequest } from './steps.ts';

const FOLDER = fileURLToPath(new URL('../../../fixtures/executor/state', import.meta.url));

/** The script that tells a container's state. */
export const PROBE = `${FOLDER}/probe.sh`;

/** The steps whose state is compared with that in BuildKit's. */
export const STATE_STEPS = {
  default: { network: 'host' },
  user: { user: 'www-data', network: 'none' },
  insecure: { security: 'insecure', network: 'host' },
  'insecure-user': { security: 'insecure', user: 'www-data', network: 'none' },
} as const satisfies Readonly<Record<string, Partial<StepRequest>>>;

export type StateStep = keyof typeof STATE_STEPS;

/** The file with BuildKit's state for that step, of a daemon of root or of an ordinary user. */
export function recordingOf(step: string, { rootless }: { readonly rootless: boolean }): string {
  return `${FOLDER}/buildkit-${rootless ? 'rootless' : 'root'}-${step}.txt`;
}
