/**
 * A program that opens a busybox shell in a container, in the terminal that it is started in, and ends with its exit status. Arguments:
 * a folder, a runtime and a busybox.
 */
import { copyFileSync, mkdirSync, mkdtempSync, symlinkSync } from 'node:fs';
import { SlipwayError } from '../../../src/core/errors.ts';
import { silentProgress } from '../../../src/core/progress.ts';
import { inUserNamespace } from '../../../src/core/user-namespace.ts';
import { ensureUserNamespace } from '../../../src/executor/rootless.ts';
import { selectExecutor } from '../../../src/executor/select-executor.ts';

await ensureUserNamespace();
const [, , folder = '', runtime = '', busybox = ''] = process.argv;
const place = mkdtempSync(`${folder}/shell-`);
for (const name of ['root', 'root/bin', 'upper', 'work'])
  mkdirSync(`${place}/${name}`, { recursive: true, mode: 0o755 });
copyFileSync(busybox, `${place}/root/bin/busybox`);
for (const applet of ['sh', 'stty', 'tty', 'sleep']) symlinkSync('busybox', `${place}/root/bin/${applet}`);
const executor = selectExecutor({
  ...(runtime === 'native' ? { isolation: 'native' } : { isolation: 'oci', ociRuntime: runtime }),
  env: process.env,
  stateDir: `${folder}/state`,
  scratchDir: `${folder}/scratch`,
  xattrs: inUserNamespace() ? 'user' : 'trusted',
});
process.exit(await shell());

async function shell(): Promise<number> {
  if (executor.runInTerminal === undefined) throw new Error('the executor runs nothing in a terminal');
  try {
    await executor.runInTerminal(
      {
        id: 'shell',
        args: ['/bin/sh'],
        env: ['PATH=/bin', 'PS1=in-the-shell> '],
        cwd: '/',
        user: '1000',
        hostname: 'buildkitsandbox',
        network: 'none',
        security: 'sandbox',
        extraHosts: [],
        ulimits: [],
        devices: [],
      },
      { lowerDirs: [`${place}/root`], upperDir: `${place}/upper`, workDir: `${place}/work` },
      [],
      { signal: new AbortController().signal, progress: silentProgress },
    );
    return 0;
  } catch (error) {
    if (error instanceof SlipwayError && error.exitCode !== undefined) return error.exitCode;
    throw error;
  }
}
