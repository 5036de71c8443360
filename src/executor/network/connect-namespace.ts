import { once } from 'node:events';
import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import { Socket } from 'node:net';
import { constants } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf } from '../../core/errors.ts';
import { containerSyscalls } from '../container-syscalls.ts';
import { type SpawnedProcess, spawnProcess, tied } from '../spawn-process.ts';
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
  const { child, output, ready } = start([tool.path, ...args]);
  let said = '';
  output.on('data', (data: Buffer) => {
    said = (said + data.toString()).slice(-SAID_LIMIT);
  });
  const isReady = await Promise.race([
    tool.name === 'pasta' ? pidWritten(pidFile, output) : once(ready, 'data').then(() => true),
    once(output, 'close').then(() => false),
    delay(READY_TIMEOUT_MS, false, { ref: false }),
  ]);
  const stop = () => child.kill('SIGKILL');
  if (!isReady) {
    stop();
    throw new Error(`${tool.name} gave no connection: ${problemIn(said)}`);
  }
  // It runs for as long as there are steps, and must not keep this process.
  for (const socket of [output, ready]) socket.unref();
  return {
    problem: async () => {
      if (!hasEnded(child)) return undefined;
      const end = howItEnded(child.wait());
      if (!output.destroyed) await once(output.ref(), 'close');
      return `${tool.name} ${end}: ${problemIn(said)}`;
    },
    [Symbol.dispose]: stop,
  };
}

/** Starts the program with pipes for what it says, and, as descriptor 3, for when it is ready. */
function start(command: readonly string[]) {
  const { pipe } = containerSyscalls();
  const [output, ready] = [pipe(), pipe()];
  const stdin = openSync('/dev/null', 'r');
  const descriptors = [stdin, output.write, output.write, ready.write];
  const child = spawnProcess(tied(command), { descriptors, session: 'own' });
  for (const fd of [stdin, output.write, ready.write]) closeSync(fd);
  const reading = ({ read }: { readonly read: number }) => new Socket({ fd: read, readable: true, writable: false });
  return { child, output: reading(output), ready: reading(ready) };
}

/** Whether it is on its way out: the kernel takes longer to end it than its network. */
function hasEnded(child: SpawnedProcess): boolean {
  return child.status() !== undefined || isExiting(child.pid);
}

/** Whether PF_EXITING is among its flags: the ninth field, the seventh after the name (proc_pid_stat(5)). */
function isExiting(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const flags = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[6];
    return (Number(flags) & PF_EXITING) !== 0;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return true;
    throw error;
  }
}

function howItEnded(status: number): string {
  const signal = Object.entries(constants.signals).find(([, number]) => number === status - 128)?.[0];
  return signal === undefined ? `ended with status ${status}` : `was ended by ${signal}`;
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
async function pidWritten(path: string, output: Socket): Promise<boolean> {
  while ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) === 0) {
    if (output.destroyed) return false;
    await delay(POLL_MS);
  }
  return true;
}

/** What is worth telling of the output: without complaints that there is no system log. */
function problemIn(output: string): string {
  const lines = output.split('\n').map((line) => line.trim());
  return (
    lines.filter((line) => line !== '' && !/syslog|^Don't run as root/.test(line)).join('; ') || 'it did not say why'
  );
}
