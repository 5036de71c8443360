import type { OciSpec } from '../oci-spec.ts';
import type { InitSyscalls } from './init-syscalls.ts';

/** For a step without PATH: execvp(3)'s of containers. */
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** What does not end the search along PATH. */
const NOT_HERE = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'ENAMETOOLONG', 'ELOOP']);

/** Turns this process into the command. Returns only where that failed, with the errno's name, as a shell would choose it. */
export function executeCommand(calls: InitSyscalls, { args, env }: Pick<OciSpec['process'], 'args' | 'env'>): string {
  let denied: string | undefined;
  for (const path of candidates(args[0] ?? '', env)) {
    const code = calls.execute(path, args, env);
    if (!NOT_HERE.has(code)) return code;
    if (code === 'EACCES') denied = code;
  }
  return denied ?? 'ENOENT';
}

function candidates(command: string, env: readonly string[]): string[] {
  if (command === '' || command.includes('/')) return [command];
  const path = env.find((entry) => entry.startsWith('PATH='))?.slice('PATH='.length) ?? DEFAULT_PATH;
  return path.split(':').map((folder) => (folder === '' ? `./${command}` : `${folder}/${command}`));
}
