import { closeSync, readFileSync, writeFileSync } from 'node:fs';
import { containerSyscalls } from '../container-syscalls.ts';
import { requireProgram } from '../oci-runtime.ts';
import { spawnWatched } from '../spawn-process.ts';

/**
 * Makes a network namespace, without any connection yet, and lets the new file `path` stand for it, in this process's mounts. It lives for as
 * long as that is mounted or a process is in it.
 */
export async function makeNetworkNamespace(path: string): Promise<void> {
  writeFileSync(path, '');
  const { pipe } = containerSyscalls();
  const [stdin, said] = [pipe(), pipe()];
  closeSync(stdin.write);
  const descriptors = [stdin.read, said.write, said.write];
  const child = spawnWatched([requireProgram('unshare'), `--net=${path}`, 'true'], { descriptors, session: 'own' });
  for (const fd of [stdin.read, said.write]) closeSync(fd);
  const status = await child.ended;
  const complaint = readFileSync(said.read, 'utf8').trim();
  closeSync(said.read);
  if (status !== 0) throw new Error(`no network namespace can be made: ${complaint}`);
}
