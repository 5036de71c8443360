import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { MOUNT, syscalls } from '../../core/syscalls.ts';
import { requireProgram } from '../oci-runtime.ts';

/**
 * Makes a network namespace, without any connection yet, and lets the new file `path` stand for it, in this process's mounts. It lives for as
 * long as that is mounted or a process is in it.
 */
export async function makeNetworkNamespace(path: string): Promise<void> {
  writeFileSync(path, '');
  // In it only until the namespace is mounted; it ends with its standard input.
  const holder = spawn(requireProgram('unshare'), ['--net', 'cat'], {
    stdio: ['pipe', 'pipe', 'pipe'],
    cwd: '/',
    env: {},
  });
  const said: Buffer[] = [];
  holder.stderr.on('data', (data: Buffer) => said.push(data));
  const ended = once(holder, 'close').then(() => false);
  holder.stdin.write('.');
  const isReady = await Promise.race([once(holder.stdout, 'data').then(() => true), ended]);
  if (!isReady) throw new Error(`no network namespace can be made: ${Buffer.concat(said).toString().trim()}`);
  syscalls().mount(`/proc/${holder.pid}/ns/net`, path, '', MOUNT.bind, '');
  holder.stdin.end();
}
