import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { describeForEachUser } from '../rig/each-user.ts';
import { baseImages, openRig } from '../rig/slipway.ts';
import { typeInto } from '../rig/terminal.ts';

const DOCKERFILE = `FROM busybox
ENV GREETING=hello
WORKDIR /work
USER 1000
RUN --mount=type=cache,target=/cache,uid=1000 \\
    --mount=type=secret,id=token,env=TOKEN \\
    --mount=type=bind,target=/context \\
    echo kept > /cache/one; echo written > /tmp/file; exit 3
`;
const CANARY = 'canary-1f0c';
const LOOK = 'echo $GREETING "<$TOKEN>" $(id -u) $(cat /tmp/file /cache/one) end-$((1+1))\r';

describeForEachUser('a failed RUN', (who) => {
  it('is entered later without what must not be kept', { timeout: 90_000 }, async () => {
    using rig = openRig(who);
    const context = rig.context({ Dockerfile: DOCKERFILE });
    const secret = ['--secret', 'id=token'];
    const failed = await rig.run(['build', ...baseImages(), ...secret, context], { env: { token: CANARY } });
    expect(failed.stderr).toContain(`hint: slipway shell --root ${rig.store} @last`);
    expect(spawnSync('grep', ['-rl', CANARY, rig.store], { encoding: 'utf8' }).stdout).toBe('');

    const shown = typeInto(
      rig,
      ['shell'],
      [
        ['/work $', LOOK],
        ['end-2\r', 'exit 9\r'],
      ],
    );
    expect(shown).toContain('not there: the secret "token"');
    expect(shown).toContain('not there: what was mounted from a build context on /context');
    expect(shown).toContain('hello <> 1000 written kept end-2');
    expect(shown).toMatch(/status 9 cooked\n$/);
  });

  it('opens a shell at once with all that it had, and is then reported', { timeout: 90_000 }, () => {
    using rig = openRig(who);
    const context = rig.context({ Dockerfile: DOCKERFILE, token: CANARY });
    const args = ['--on-failure=shell', '--secret', `id=token,src=${context}/token`, ...baseImages(), context];
    const shown = typeInto(
      rig,
      ['build', ...args],
      [
        ['/work $', LOOK],
        ['end-2\r', 'ls /context; exit\r'],
      ],
    );
    expect(shown).toContain(`hello <${CANARY}> 1000 written kept end-2`);
    expect(shown).toContain('Dockerfile');
    expect(shown).toContain('[SLIPWAY_RUN_FAILED]');
    expect(shown).toMatch(/status 1 cooked\n$/);
  });

  it('is in the list, the newest first, as many as are kept', { timeout: 90_000 }, async () => {
    using rig = openRig(who);
    for (const status of [3, 4, 5]) {
      const context = rig.context({ Dockerfile: `FROM busybox\nRUN exit ${status}\n` });
      await rig.run(['build', '--keep-failed=2', ...baseImages(), context]);
    }
    const { status, stdout } = await rig.run(['shell', '--list']);
    expect(status).toBe(0);
    const line = (code: number) => `[0-9a-f]{8}  \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d UTC  .*RUN exit ${code}\n`;
    expect(stdout.toString()).toMatch(new RegExp(`^${line(5)}${line(4)}$`));
  });

  it('is not kept with --keep-failed=0, and not entered beyond what is allowed', { timeout: 90_000 }, async () => {
    using rig = openRig(who);
    const host = rig.context({ Dockerfile: 'FROM busybox\nRUN --network=host exit 4\n' });
    const forgotten = await rig.run(['build', '--keep-failed=0', '--allow=network.host', ...baseImages(), host]);
    expect(forgotten.stderr).toContain('exited with code 4');
    expect(forgotten.stderr).not.toContain('slipway shell');
    expect(typeInto(rig, ['shell'], [])).toContain('[SLIPWAY_FAILED_STEP_UNKNOWN]');

    await rig.run(['build', '--allow=network.host', ...baseImages(), host]);
    expect(typeInto(rig, ['shell'], [])).toContain('[SLIPWAY_ENTITLEMENT_MISSING]');
    expect(typeInto(rig, ['shell', '--allow=network.host'], [['/ #', 'exit 6\r']])).toMatch(/status 6 cooked\n$/);
    const { stderr } = await rig.run(['shell']);
    expect(stderr).toContain('[SLIPWAY_TERMINAL_MISSING]');
  });
});
