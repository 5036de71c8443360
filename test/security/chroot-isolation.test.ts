import { afterAll, beforeAll, expect, test } from 'vitest';
import { BUSYBOX, type Runner, startRunner } from '../executor/rig/rungs.ts';
import type { StepRequest } from '../executor/rig/steps.ts';
import { describeWhere, type Requirement, root } from '../rig/requirements.ts';

const busybox: Requirement = () => (BUSYBOX === undefined ? 'there is no static busybox' : undefined);

describeWhere('steps of chroot isolation, which have no namespaces', [root, busybox], () => {
  let runner: Runner;
  beforeAll(() => {
    runner = startRunner({ name: 'chroot as root', runtime: 'chroot', rootless: false });
  });
  afterAll(() => runner[Symbol.asyncDispose]());
  const run = (script: string, step: Partial<StepRequest> = {}) =>
    runner.run({ args: ['/bin/sh', '-c', script], ...step });

  test('KA#106, CVE-2021-3602: see no process of the builder, nor its environment, by the /proc that they have', async () => {
    const { stdout, error } = await run(
      'cat /proc/*/environ /proc/*/cmdline 2>/dev/null | grep -c canary; ls -d /proc/[0-9]* 2>/dev/null | wc -l; env | grep -c canary',
    );
    expect(error?.exitCode).toBe(1);
    expect(stdout).toBe('0\n0\n0\n');
  });

  test('KA#1553: have neither the store nor a file of the builder in their root', async () => {
    const { stdout } = await run(
      `ls -d ${runner.folder} ${process.execPath} ${import.meta.dirname} /var/lib/slipway 2>/dev/null; find / -name '*.db' -o -name config.json; echo end`,
    );
    expect(stdout).toBe('end\n');
  });

  test('CVE-2024-23653, GHSA-7236-3392-c5c6: get no rights by a mode that is unknown', async () => {
    for (const security of ['none', '', '__proto__', 'INSECURE'])
      expect((await run('echo ran', { security: security as never })).stdout, security).toBe('');
  });

  test.each(['/proc/self/cwd', '/proc/self/fd/3', '/proc/1/root', '/link/7'])(
    'CVE-2024-21626: start in no descriptor of the builder: %s',
    async (cwd) => {
      const linked = { path: '/link', type: 'symlink', text: '/proc/self/fd' } as const;
      const { stdout, error } = await run('ls -a; pwd', { cwd, root: [linked] });
      expect(stdout).not.toMatch(/canary|slipway/);
      if (error !== undefined) expect(error.code).toMatch(/^SLIPWAY_/);
    },
  );
});
