import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseDockerfile } from '../../frontend/parser/parse-dockerfile.ts';
import { requireAllowed } from '../../solver/ops/exec/entitlements.ts';
import type { NetworkMode, SecurityMode } from '../../src/core/executor.ts';
import { availableRungs, type Runner, startRunner } from '../executor/rig/rungs.ts';

const UNKNOWN = [
  '',
  ' ',
  'none',
  'Insecure',
  'INSECURE',
  'insecure ',
  'unconfined',
  'toString',
  '__proto__',
  '0',
  '2',
  'sandbox,insecure',
];
const EVERYTHING = ['network.host', 'security.insecure', 'device'];

describe('GHSA-7236-3392-c5c6: default is to deny', () => {
  test.each(UNKNOWN)('the security mode %j is never taken for one that is known, whatever is allowed', (mode) => {
    const op = { network: 'sandbox', security: mode as SecurityMode, devices: [] } as const;
    expect(() => requireAllowed(op, EVERYTHING)).toThrow('unknown mode');
  });

  test.each(UNKNOWN.filter((mode) => mode !== 'none'))(
    'the network mode %j is never taken for one that is known, whatever is allowed',
    (mode) => {
      const op = { network: mode as NetworkMode, security: 'sandbox', devices: [] } as const;
      expect(() => requireAllowed(op, EVERYTHING)).toThrow('unknown mode');
    },
  );

  test.each(UNKNOWN.filter((mode) => mode.trim() !== '' && !mode.includes(' ')))(
    'RUN --security=%s is no instruction, and so with --network',
    (mode) => {
      for (const flag of ['security', 'network']) {
        if (flag === 'network' && mode === 'none') continue;
        expect(() => parseDockerfile('Dockerfile', `FROM scratch\nRUN --${flag}=${mode} true\n`)).toThrow(mode);
      }
    },
  );

  test('CVE-2024-23653: every right has to be given by its own name', () => {
    const asked = [
      [{ network: 'host', security: 'sandbox', devices: [] }, 'network.host'],
      [{ network: 'sandbox', security: 'insecure', devices: [] }, 'security.insecure'],
      [{ network: 'none', security: 'sandbox', devices: [{ name: 'v/c=d', required: true }] }, 'device=v/c=d'],
    ] as const;
    for (const [op, entitlement] of asked) {
      const others = [...EVERYTHING.filter((name) => !entitlement.startsWith(name)), 'device=v/c=other', '*', ''];
      expect(() => requireAllowed(op, others)).toThrow(entitlement);
      expect(() => requireAllowed(op, [entitlement])).not.toThrow();
    }
  });
});

const STATUS = "grep -E '^(Cap(Inh|Prm|Eff|Bnd|Amb)|Seccomp|NoNewPrivs):' /proc/self/status | tr '\\n' ' '";
const DOCKERS = '00000000a80425fb';
const NONE = '0000000000000000';

for (const rung of availableRungs()) {
  describe(rung.name, () => {
    let runner: Runner;
    beforeAll(() => {
      runner = startRunner(rung);
    });
    afterAll(() => runner[Symbol.asyncDispose]());

    test.each([
      ['root', '', DOCKERS],
      ['a user', 'www-data', NONE],
      ['an id with a group', '1234:0', NONE],
    ])('CVE-2022-27651: a step of %s inherits no capability, and can gain none but docker’s', async (_, user, own) => {
      const { stdout } = await runner.run({ args: ['/bin/sh', '-c', STATUS], user });
      const status = {
        CapInh: NONE,
        CapPrm: own,
        CapEff: own,
        CapBnd: DOCKERS,
        CapAmb: NONE,
        NoNewPrivs: 0,
        Seccomp: 2,
      };
      expect(stdout.trim().split(' ')).toEqual(Object.entries(status).map(([name, value]) => `${name}:\t${value}`));
    });

    test.each(UNKNOWN)('GHSA-7236-3392-c5c6: no step starts with the security mode %j', async (mode) => {
      const { error, stdout } = await runner.run({ args: ['/bin/sh', '-c', STATUS], security: mode as SecurityMode });
      expect([error?.message, stdout]).toEqual([`internal: security mode ${mode}`, '']);
    });

    test.each(UNKNOWN.filter((mode) => mode !== 'none'))(
      'GHSA-7236-3392-c5c6: no step starts with the network mode %j',
      async (mode) => {
        const { error, stdout } = await runner.run({ args: ['echo', 'ran'], network: mode as NetworkMode });
        expect(error?.message).toMatch(/^internal: /);
        expect(stdout).toBe('');
      },
    );
  });
}
