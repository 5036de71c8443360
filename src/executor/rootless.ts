import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { SlipwayError } from '../core/errors.ts';
import { inUserNamespace } from '../core/user-namespace.ts';
import { explainForbiddenUserNamespaces } from './forbidden-namespaces.ts';
import { findProgram, requireProgram } from './oci-runtime.ts';
import { mapArguments, subordinateIds } from './subordinate-ids.ts';

/** Says to the program started again who its user was. Believed only where the kernel's own id map says the same. */
const OWNER_VARIABLE = 'SLIPWAY_ROOTLESS_UID';

/**
 * Makes an ordinary user root in a user namespace with all subordinate ids, so that files keep their owners and containers can
 * be run; returns at once where this process is root already. Otherwise it replaces the process by the same program with the same
 * arguments in that namespace (execve(2): same process id, terminal, descriptors 0-2 and exit status), and does not return.
 * `SLIPWAY_SUBIDS_MISSING`, `SLIPWAY_NEWUIDMAP_MISSING`, `SLIPWAY_NAMESPACES_FORBIDDEN`.
 */
export async function ensureUserNamespace(): Promise<void> {
  if (process.geteuid?.() === 0) return;
  const user = { name: userInfo().username, uid: userInfo().uid, gid: userInfo().gid };
  const maps = [
    { program: requireMapProgram('newuidmap'), args: mapArguments(user.uid, subordinateIds('subuid', user)) },
    { program: requireMapProgram('newgidmap'), args: mapArguments(user.gid, subordinateIds('subgid', user)) },
  ];
  const holder = await holdUserNamespace();
  for (const { program, args } of maps) writeMap(program, [String(holder.pid), ...args]);
  const nsenter = requireProgram('nsenter');
  // The holder ends when its standard input does, which is with this call: descriptors above 2 are closed.
  process.execve?.(
    nsenter,
    ['nsenter', `--user=/proc/${holder.pid}/ns/user`, '--setuid=0', '--setgid=0', '--', ...ownCommand()],
    { ...stringsOf(process.env), [OWNER_VARIABLE]: String(user.uid) },
  );
}

/** Whether `ensureUserNamespace` put this process where it is: it is root only towards its user's own files. */
export function isRootless(env: Readonly<Record<string, string | undefined>>): boolean {
  const owner = env[OWNER_VARIABLE];
  if (owner === undefined || process.geteuid?.() !== 0 || !inUserNamespace()) return false;
  const [inside, outside] = readFileSync('/proc/self/uid_map', 'utf8').trim().split(/\s+/);
  return inside === '0' && outside === owner;
}

/** Where the store lies unless the user says otherwise: /var/lib/slipway for root, else in the user's data folder. */
export function defaultStoreRoot(env: Readonly<Record<string, string | undefined>>): string {
  if (process.geteuid?.() === 0 && !isRootless(env)) return '/var/lib/slipway';
  const data = env.XDG_DATA_HOME;
  return data?.startsWith('/') ? `${data}/slipway` : `${env.HOME ?? homedir()}/.local/share/slipway`;
}

/** A process in a new user namespace, whose ids are still to be mapped; it lives until its standard input is closed. */
async function holdUserNamespace(): Promise<ChildProcess> {
  const holder = spawn(requireProgram('unshare'), ['--user', 'cat'], { stdio: ['pipe', 'pipe', 'pipe'] });
  // Where the namespace is forbidden, nobody reads this any more.
  holder.stdin.on('error', () => {});
  holder.stdin.write('.');
  const said: Buffer[] = [];
  holder.stderr.on('data', (data: Buffer) => said.push(data));
  const ready = await Promise.race([
    once(holder.stdout, 'data').then(() => true),
    once(holder, 'close').then(() => false),
  ]);
  if (!ready) throw explainForbiddenUserNamespaces(Buffer.concat(said).toString());
  return holder;
}

function requireMapProgram(name: 'newuidmap' | 'newgidmap'): string {
  const path = findProgram(name, process.env);
  if (path !== undefined) return path;
  throw new SlipwayError(
    'SLIPWAY_NEWUIDMAP_MISSING',
    `building without root needs the program ${name}, which was not found`,
    {
      hint: 'install it: sudo apt-get install -y uidmap (Debian, Ubuntu), sudo dnf install -y shadow-utils (Fedora)',
    },
  );
}

function writeMap(program: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status === 0) return;
  throw new SlipwayError(
    'SLIPWAY_NAMESPACES_FORBIDDEN',
    `cannot map the subordinate ids: ${program} ${args.slice(1).join(' ')}: ${stderr.trim() || `status ${status}`}`,
    {
      hint: isInOtherGroup()
        ? 'it serves users in their own group only: leave the group that newgrp or sg gave this process'
        : `it must be setuid root or have file capabilities (ls -l ${program}), and /etc/subuid and /etc/subgid must allow the ranges`,
    },
  );
}

function isInOtherGroup(): boolean {
  return process.getegid?.() !== userInfo().gid;
}

function ownCommand(): string[] {
  return [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
}

function stringsOf(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined));
}
