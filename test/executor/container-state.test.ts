import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { builderFacts, containerState, differingFields, parseState } from './rig/container-state.ts';
import { availableRungs, BUSYBOX, type Rung, type Runner, startRunner } from './rig/rungs.ts';
import { differencesFor } from './rig/state-differences.ts';
import { PROBE, recordingOf, STATE_STEPS, type StateStep } from './rig/state-steps.ts';
import type { StepRequest } from './rig/steps.ts';

const CHROOT: Rung = { name: 'chroot as root', runtime: 'chroot', rootless: false };
const rungs = [...availableRungs(), ...(BUSYBOX !== undefined && process.geteuid?.() === 0 ? [CHROOT] : [])];

for (const rung of rungs) {
  describe(rung.name, () => {
    let runner: Runner;
    beforeAll(() => {
      runner = startRunner(rung);
    });
    afterAll(() => runner[Symbol.asyncDispose]());

    test.each(stepsOf(rung))(
      'a step of the kind "%s" is, sees and may do what one in BuildKit does, but for the differences that are explained',
      async (name) => {
        const step: Partial<StepRequest> = STATE_STEPS[name];
        const { stdout, error } = await runner.run({
          args: ['/bin/sh', '/probe.sh'],
          root: [{ path: '/probe.sh', type: 'file', text: readFileSync(PROBE, 'utf8') }],
          ...step,
        });
        expect(error).toBeUndefined();
        const ours = containerState(stdout, builderFacts(runner.process.pid ?? 0));
        const theirs = parseState(readFileSync(recordingOf(name, rung), 'utf8'));
        const expected = differencesFor(rung, name, theirs);
        const found = differingFields(ours, theirs).map((field) => [field, ours.get(field) ?? 'nothing'] as const);
        const ofMachine = [...expected].filter(([, value]) => value === undefined).map(([field]) => field);
        expect(Object.fromEntries(found.filter(([field]) => !ofMachine.includes(field)))).toEqual(
          Object.fromEntries([...expected].filter(([, value]) => value !== undefined)),
        );
      },
    );
  });
}

/** Chroot isolation refuses what the others ask for. */
function stepsOf({ runtime }: Rung): StateStep[] {
  return runtime === 'chroot' ? ['default'] : ['default', 'user', 'insecure', 'insecure-user'];
}
