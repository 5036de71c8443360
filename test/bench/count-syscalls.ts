import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename } from 'node:path';

const [FEW, MANY] = [10, 20];
/** Who forked a process that became this program. */
const PARENTS: Readonly<Record<string, string>> = {
  setpriv: 'slipway',
  sh: 'the runtime',
  'the runtime': 'unshare',
  'the init': 'unshare',
};

/**
 * System calls of one step by the program that makes them, from the difference between more and fewer steps: `program` is a script of Node
 * and its arguments, and takes how many steps it is to run as one more. Nothing where strace is missing.
 */
export function syscallsOfSteps(program: readonly string[]): Map<string, number> {
  const few = count([...program, String(FEW)]);
  const many = count([...program, String(MANY)]);
  const difference = [...many].map(([name, calls]) => [name, (calls - (few.get(name) ?? 0)) / (MANY - FEW)] as const);
  return new Map(difference.filter(([, calls]) => calls >= 1).sort((a, b) => b[1] - a[1]));
}

function count(program: readonly string[]): Map<string, number> {
  const folder = mkdtempSync(`${tmpdir()}/slipway-strace-`);
  try {
    const args = ['-ff', '-qq', '-s', '300', '-o', `${folder}/of`, process.execPath];
    const { error, status } = spawnSync('strace', [...args, ...program], { stdio: ['ignore', 'ignore', 'inherit'] });
    if (error !== undefined || status !== 0) return new Map();
    const counts = new Map<string, number>();
    for (const file of readdirSync(folder)) addProcess(readFileSync(`${folder}/${file}`, 'latin1'), counts);
    return counts;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A process or thread is its program's; before it became that, its parent's. */
function addProcess(trace: string, counts: Map<string, number>): void {
  const calls = trace.split('\n').filter((line) => /^\w+\(/.test(line));
  const first = programs(calls)[0];
  let current = first === undefined ? 'slipway' : (PARENTS[first] ?? first);
  for (const call of calls) {
    current = programOf(call) ?? current;
    counts.set(current, (counts.get(current) ?? 0) + 1);
  }
}

function programs(calls: readonly string[]): string[] {
  return calls.flatMap((call) => programOf(call) ?? []);
}

function programOf(call: string): string | undefined {
  const path = /^execve(?:at)?\((?:\d+, )?"([^"]*)".*\) = 0$/.exec(call)?.[1];
  if (path === process.execPath) return call.includes('/init.cjs') ? 'the init' : 'slipway';
  // Runtimes start themselves from a copy in memory.
  return path !== undefined && /^$|^\/proc\/self\/|\/(crun|runc)$/.test(path) ? 'the runtime' : path && basename(path);
}
