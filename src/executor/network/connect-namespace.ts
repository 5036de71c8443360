import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf } from '../../core/errors.ts';
import { requireProgram } from '../oci-runtime.ts';
import { NAMESPACE_ADDRESSES } from './namespace-addresses.ts';
import type { NetworkTool } from './network-tool.ts';
import { needsForwardedNames } from './resolv-conf.ts';

/** What keeps a network namespace connected. */
export interface NetworkConnection extends Disposable {
  /** How the program ended that keeps it, and what it said last; undefined while it runs. */
  problem(): Promise<string | undefined>;
}

const READY_TIMEOUT_MS = 5000;
/** Of what the program says, the last is kept. */
const SAID_LIMIT = 4096;
const POLL_MS = 1;
const PF_EXITING = 4;

/**
 * Connects the network namespace at `namespace` to the outside: steps in it reach what the machine reaches, but for the machine's own loopback
 * device, and nobody reaches them. Resolves when it works; the connection ends when the result is disposed, or with this process.
 * `pidFile` is a path that does not exist. Rejects with what the program said.
 */
export async function connectNamespace(
  tool: NetworkTool,
  { namespace, pidFile }: { readonly namespace: string; readonly pidFile: string },
): Promise<NetworkConnection> {
  const args = tool.name === 'pasta' ? pastaArguments(namespace, pidFile) : slirpArguments(namespace);
  const child = spawn(requireProgram('setpriv'), ['--pdeathsig', 'KILL', '--', tool.path, ...args], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    detached: true,
    cwd: '/',
    // Nothing of the user's environment: it may hold credentials.
    env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
  });
  let said = '';
  for (const output of [child.stdout, child.stderr])
    output?.on('data', (data: Buffer) => {
      said = (said + data.toString()).slice(-SAID_LIMIT);
    });
  const isReady = await Promise.race([
    tool.name === 'pasta' ? pidWritten(pidFile, child) : readyByte(child),
    once(child, 'exit').then(() => false),
    delay(READY_TIMEOUT_MS, false, { ref: false }),
  ]);
  const stop = () => void child.kill('SIGKILL');
  if (!isReady) {
    stop();
    throw new Error(`${tool.name} gave no connection: ${problemIn(said)}`);
  }
  // It runs for as long as there are steps, and must not keep this process.
  child.unref();
  for (const output of child.stdio) if (output instanceof Socket) output.unref();
  return {
    problem: async () => (hasEnded(child) ? `${tool.name} ${await howItEnded(child)}: ${problemIn(said)}` : undefined),
    [Symbol.dispose]: stop,
  };
}

/** Asks the kernel: this process is told only when it is quite gone, which takes the kernel longer than the network. */
function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null || isExiting(child.pid);
}

/** Whether PF_EXITING is among its flags: the ninth field, the seventh after the name (proc_pid_stat(5)). */
function isExiting(pid: number | undefined): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const flags = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[6];
    return (Number(flags) & PF_EXITING) !== 0;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return true;
    throw error;
  }
}

async function howItEnded(child: ChildProcess): Promise<string> {
  if (child.exitCode === null && child.signalCode === null) {
    child.ref();
    await once(child, 'exit');
  }
  return child.signalCode === null ? `ended with status ${child.exitCode}` : `was ended by ${child.signalCode}`;
}

/**
 * pasta(1). Without port forwarding in either direction, and without the gateway standing for the machine's loopback device. A forwarded name
 * server only where it is asked: older versions of pasta let all answers to name queries come from it, also those of other servers.
 */
function pastaArguments(namespace: string, pidFile: string): string[] {
  const { own, prefix, gateway, nameServer } = NAMESPACE_ADDRESSES;
  return [
    ...[
      '--foreground',
      '--quiet',
      '--config-net',
      '--netns-only',
      '--netns',
      namespace,
      '--runas',
      '0:0',
      '--pid',
      pidFile,
    ],
    '--no-map-gw',
    ...(needsForwardedNames() ? ['--dns-forward', nameServer] : []),
    ...['--tcp-ports', 'none', '--udp-ports', 'none', '--tcp-ns', 'none', '--udp-ns', 'none'],
    ...['--address', own, '--netmask', prefix, '--gateway', gateway],
  ];
}

/** slirp4netns(1). Descriptor 3 says when it is ready. */
function slirpArguments(namespace: string): string[] {
  const options = ['--configure', '--mtu=65520', '--disable-host-loopback', '--ready-fd=3'];
  return [...options, '--netns-type=path', namespace, 'tap0'];
}

/** pasta has no other way to say that it is ready: it makes the file at once, and writes to it when the namespace is connected. */
async function pidWritten(path: string, child: ChildProcess): Promise<boolean> {
  while ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) === 0) {
    if (child.exitCode !== null || child.signalCode !== null) return false;
    await delay(POLL_MS);
  }
  return true;
}

async function readyByte(child: ChildProcess): Promise<boolean> {
  const ready = child.stdio[3];
  if (ready === null || ready === undefined) throw new Error('internal: descriptor 3 is no pipe');
  await once(ready, 'data');
  return true;
}

/** What is worth telling of the output: without complaints that there is no system log. */
function problemIn(output: string): string {
  const lines = output.split('\n').map((line) => line.trim());
  return (
    lines.filter((line) => line !== '' && !/syslog|^Don't run as root/.test(line)).join('; ') || 'it did not say why'
  );
}
