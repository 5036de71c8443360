import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import type { Who } from './slipway.ts';
import { asUser } from './users.ts';

/** A program that runs in a folder of an image's files. Disposing ends it and everything it started. */
export interface RunningRootfs extends Disposable {
  readonly process: ChildProcess;
  /** What it has written to its outputs so far. */
  output(): string;
}

/**
 * Runs a command of a folder that `-o type=local` wrote, in a PID namespace of its own and on the host's network. An ordinary user's files all
 * belong to it, so it is root towards them and nobody else.
 */
export function runRootfs(who: Who, rootfs: string, command: readonly string[]): RunningRootfs {
  const namespaces = [
    '--mount',
    '--pid',
    '--fork',
    '--kill-child',
    ...(who === 'root' ? [] : ['--user', '--map-root-user']),
  ];
  // An image leaves names and devices to whoever runs it.
  const provide =
    'cp /etc/hosts /etc/resolv.conf "$0/etc/" && mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev"';
  const setup = `${provide} && exec chroot "$0" "$@"`;
  const whole = ['unshare', ...namespaces, 'sh', '-c', setup, rootfs, ...command];
  const [program = '', ...args] = who === 'root' ? whole : asUser(whole);
  const env = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' };
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  return {
    process: child,
    output: () => said,
    [Symbol.dispose]: () => {
      // A server that changed its user no longer dies with unshare. All others die with the first process of their PID namespace.
      for (const pid of [...childrenOf(child.pid), child.pid]) killNow(pid);
    },
  };
}

function childrenOf(pid: number | undefined): number[] {
  const path = `/proc/${pid}/task/${pid}/children`;
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split(' ').filter(Boolean).map(Number) : [];
}

function killNow(pid: number | undefined): void {
  if (pid !== undefined && existsSync(`/proc/${pid}`)) process.kill(pid, 'SIGKILL');
}
