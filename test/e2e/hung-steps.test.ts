import { basename } from 'node:path';
import { expect, it } from 'vitest';
import { describeForEachUser } from '../rig/each-user.ts';
import { eventually } from '../rig/eventually.ts';
import { baseImages, openRig, type Running, type SlipwayRig } from '../rig/slipway.ts';
import { tracesOf } from '../rig/traces.ts';

const DEAF = 'trap "" HUP INT QUIT TERM USR1 USR2';
/** Neither the command nor any of its children, some in sessions of their own, heeds a signal. */
const HUNG = `FROM busybox
ARG MARK
RUN ${DEAF}; (setsid sleep 1000 & sleep 1000 &); echo "mark $MARK"; while true; do sleep 1000; done
`;
const RUNTIMES = [
  { name: 'crun', options: ['--oci-runtime=crun'] },
  { name: 'runc', options: ['--oci-runtime=runc'] },
  { name: 'native', options: ['--isolation=native'] },
];

function start(rig: SlipwayRig, options: readonly string[]): Running {
  const mark = ['--build-arg', `MARK=${basename(rig.folder)}`];
  const context = rig.context({ Dockerfile: HUNG });
  return rig.start(['build', '--progress=plain', ...mark, ...baseImages(), ...options, context]);
}

describeForEachUser('a hung RUN whose processes ignore signals', (who) => {
  it.each(RUNTIMES)('is ended with all of them by Ctrl-C ($name)', async ({ options }) => {
    using rig = openRig(who);
    const running = start(rig, options);
    await running.said(/ mark slipway-e2e-/);
    running.process.kill('SIGINT');
    const { status, stderr } = await running.finished;
    expect(status).toBe(130);
    expect(stderr).toMatch(/^error: interrupted$/m);
    await eventually(() => expect(tracesOf(rig)).toEqual([]));
  });

  it.each(RUNTIMES)('is ended by a second Ctrl-C, right behind the first ($name)', async ({ options }) => {
    using rig = openRig(who);
    const running = start(rig, options);
    await running.said(/ mark slipway-e2e-/);
    running.process.kill('SIGINT');
    // One of the same kind that is still pending would be lost.
    running.process.kill('SIGTERM');
    expect(await running.finished).toMatchObject({ status: 130 });
    await eventually(() => expect(tracesOf(rig)).toEqual([]));
  });

  it.each(RUNTIMES)('is ended with all of them when its time is over ($name)', async ({ options }) => {
    using rig = openRig(who);
    const running = start(rig, ['--timeout=5s', ...options]);
    const { status, stderr } = await running.finished;
    expect(status).toBe(1);
    expect(stderr).toMatch(/ mark slipway-e2e-/);
    expect(stderr).toMatch(/did not end within 5 s \[SLIPWAY_RUN_TIMEOUT\]/);
    await eventually(() => expect(tracesOf(rig)).toEqual([]));
  });
});
