/**
 * The first process of a native container: waits for its plan, makes the container around itself, and becomes the command. It is
 * started inside a new PID namespace and in the mount namespace of the builder, where the step's root is mounted.
 */
import { closeSync, fchownSync, fstatSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { errnoOf } from '../../core/errors.ts';
import { containerSyscalls } from '../container-syscalls.ts';
import type { OciSpec } from '../oci-spec.ts';
import { enterRoot } from './container-root.ts';
import { executeCommand } from './execute-command.ts';
import { INIT_FDS, type InitPlan, type PlannedFilter, readPlan } from './init-plan.ts';
import { type InitReport, reportLine } from './init-report.ts';
import { type InitSyscalls, loadInitSyscalls, NAMESPACES } from './init-syscalls.ts';
import { dropPrivileges, type SeccompSetting } from './privileges.ts';

const EXIT = { failed: 1, notStarted: 127 } as const;

let reportFd: number = INIT_FDS.report;
try {
  main();
} catch (error) {
  const code = errnoOf(error);
  const message = error instanceof Error ? error.message : String(error);
  report({ event: 'failed', message, ...(code === undefined ? {} : { code }) });
  process.exit(EXIT.failed);
}

function main(): void {
  // Before the plan, so that all of it is done when the plan comes.
  const calls = loadInitSyscalls();
  const plan = readPlan(INIT_FDS.plan);
  if (plan === undefined) return;
  closeSync(INIT_FDS.plan);
  enterContainer(calls, plan);
  report({ event: 'ready' });
  calls.resetSignals();
  const code = executeCommand(calls, plan.spec.process);
  report({ event: 'not-executed', code });
  process.exit(EXIT.notStarted);
}

function enterContainer(calls: InitSyscalls, { spec, seccomp, cgroupFiles }: InitPlan): void {
  for (const file of cgroupFiles) writeFileSync(file, '0');
  // The path is not there any more in the container.
  const filter = seccomp === undefined ? undefined : openFilter(calls, seccomp);
  enterNamespaces(calls, spec);
  calls.setHostname(spec.hostname);
  calls.newSession();
  enterRoot(calls, spec);
  process.chdir(spec.process.cwd);
  refuseOutside(process.cwd());
  arrangeDescriptors(calls, spec.process);
  dropPrivileges(calls, spec.process, filter);
}

function openFilter(calls: InitSyscalls, { program, listenerPath }: PlannedFilter): SeccompSetting {
  const supervisor = listenerPath === undefined ? undefined : calls.connect(listenerPath);
  return { program: Buffer.from(program, 'base64'), supervisor };
}

/** Joins those that exist, then makes the others; the PID namespace is there already. */
function enterNamespaces(calls: InitSyscalls, { linux: { namespaces } }: OciSpec): void {
  for (const { path } of namespaces) {
    if (path === undefined) continue;
    const namespace = openSync(path, 'r');
    calls.setNamespace(namespace);
    closeSync(namespace);
  }
  const made = namespaces.filter(({ path }) => path === undefined).map(({ type }) => type);
  calls.unshare(made.reduce((flags, type) => flags | namespaceFlag(type), 0));
  if (made.includes('network')) calls.loopbackUp();
}

function namespaceFlag(type: string): number {
  if (type === 'pid') return 0;
  if (Object.hasOwn(NAMESPACES, type)) return NAMESPACES[type as keyof typeof NAMESPACES];
  throw new Error(`internal: namespace ${type}`);
}

/** A working directory that is no longer below the root leads out of the container (CVE-2024-21626). */
function refuseOutside(cwd: string): void {
  if (!cwd.startsWith('/')) throw new Error(`the working directory lies outside of the container: ${cwd}`);
}

/** Standard input, output and error are the command's; everything else, the report too, ends with execve(2). */
function arrangeDescriptors(calls: InitSyscalls, { user: { uid }, terminal }: OciSpec['process']): void {
  reportFd = calls.duplicateAbove(INIT_FDS.report);
  // Node closes what it inherited with execve(2): copies do not.
  calls.duplicate(calls.duplicateAbove(1), 1);
  calls.duplicate(INIT_FDS.stderr, 2);
  calls.duplicate(terminal ? 1 : endedPipe(), 0);
  if (terminal) calls.takeTerminal(0);
  calls.closeOnExec(3);
  for (const fd of [0, 1, 2]) {
    // /dev/stdin, /dev/stdout and /dev/stderr can then be opened by the user.
    if (terminal || fstatSync(fd).isFIFO()) fchownSync(fd, uid, fstatSync(fd).gid);
  }
}

/** Standard input that is at its end, as docker gives it. */
function endedPipe(): number {
  const { read, write } = containerSyscalls().pipe();
  closeSync(write);
  return read;
}

function report(event: InitReport): void {
  writeSync(reportFd, reportLine(event));
}
