import { closeSync, readFileSync, writeSync } from 'node:fs';
import { errnoOf } from '../core/errors.ts';
import { containerSyscalls } from './container-syscalls.ts';

/** A program to be started by whoever has its descriptor from this process. Disposing closes that. */
export interface SealedProgram extends Disposable {
  /** Undefined where this machine lets nothing in memory be executed. */
  readonly descriptor: number | undefined;
}

/**
 * A copy of the program in memory that nobody can change. crun makes one for every container, so that what is in it cannot write to the
 * machine's (CVE-2019-5736), and starts itself again from there; it takes one that it was started from as done.
 */
export function sealProgram(path: string): SealedProgram {
  const { executableMemory, seal } = containerSyscalls();
  let descriptor: number;
  try {
    descriptor = executableMemory();
  } catch (error) {
    // The sysctl vm.memfd_noexec.
    if (errnoOf(error) !== 'EACCES') throw error;
    return { descriptor: undefined, [Symbol.dispose]: () => {} };
  }
  const content = readFileSync(path);
  for (let written = 0; written < content.length; ) written += writeSync(descriptor, content, written);
  seal(descriptor);
  return { descriptor, [Symbol.dispose]: () => closeSync(descriptor) };
}
