/**
 * The process of a step in chroot isolation: waits for its plan, gives up what the command must not have, and becomes the command in its root.
 */
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { errnoOf } from '../../core/errors.ts';
import { executeCommand } from '../native/execute-command.ts';
import { type InitReport, reportLine } from '../native/init-report.ts';
import { type InitSyscalls, loadInitSyscalls } from '../native/init-syscalls.ts';
import { dropPrivileges } from '../native/privileges.ts';
import { type ChrootPlan, readChrootPlan } from './chroot-plan.ts';
import { chrootSyscalls } from './chroot-syscalls.ts';

const PLAN_FD = 0;
const EXIT = { failed: 1, notStarted: 127 } as const;

let reportFd = 1;
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
  chrootSyscalls().hideMemory();
  const plan = readChrootPlan(PLAN_FD);
  if (plan === undefined) return;
  enterRoot(calls, plan);
  report({ event: 'ready' });
  calls.resetSignals();
  const code = executeCommand(calls, plan.spec.process);
  report({ event: 'not-executed', code });
  process.exit(EXIT.notStarted);
}

function enterRoot(calls: InitSyscalls, { spec, seccompProgram, devFolder }: ChrootPlan): void {
  // By paths of the builder: what the image has in place of /dev does not matter.
  const [nothing, stdout, stderr] = [
    openSync(`${devFolder}/null`, 'r'),
    openSync(`${devFolder}/stdout`, constants.O_WRONLY),
    openSync(`${devFolder}/stderr`, constants.O_WRONLY),
  ];
  chrootSyscalls().chroot(spec.root.path);
  process.chdir(spec.process.cwd);
  reportFd = calls.duplicateAbove(reportFd);
  for (const [number, fd] of [nothing, stdout, stderr].entries()) {
    calls.duplicate(fd, number);
    closeSync(fd);
  }
  calls.closeOnExec(3);
  const program = seccompProgram === undefined ? undefined : Buffer.from(seccompProgram, 'base64');
  dropPrivileges(calls, spec.process, program === undefined ? undefined : { program, supervisor: undefined });
}

function report(event: InitReport): void {
  writeSync(reportFd, reportLine(event));
}
