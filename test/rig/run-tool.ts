import { execFileSync } from 'node:child_process';

/** Runs another program to its end and returns its standard output; an error with what it said when it fails. */
export function runTool(program: string, ...args: readonly string[]): string {
  return execFileSync(program, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 64 * 1024 * 1024,
  });
}
