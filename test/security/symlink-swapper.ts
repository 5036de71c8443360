import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';

const LOOP = `
for (const end = Date.now() + 60_000; Date.now() < end; ) {
  for (let count = 0; count < 100; count++) swap();
  require('node:fs').writeSync(1, '.');
}
`;
const BY_RENAMING = `
const { renameSync } = require('node:fs');
const [folder, link, aside] = process.argv.slice(1);
const rename = (from, to) => { try { renameSync(from, to); } catch {} };
const swap = () => {
  rename(folder, aside);
  rename(link, folder);
  rename(folder, link);
  rename(aside, folder);
};
${LOOP}`;
/** renameat2(2) with AT_FDCWD and RENAME_EXCHANGE. */
const BY_EXCHANGING = `
const [folder, link, koffi] = process.argv.slice(1);
const renameat2 = require(koffi).load('libc.so.6').func('int renameat2(int, const char*, int, const char*, uint)');
const swap = () => { for (let times = 0; times < 2; times++) renameat2(-100, folder, -100, link, 2); };
${LOOP}`;
const SWAPS_A_DOT = 100;

/** A process that swaps. Disposing ends it and waits for that. */
export interface Swapping extends AsyncDisposable {
  /** How often the symlink took the place of the folder so far. Grows while the event loop runs. */
  readonly swaps: number;
}

/**
 * Another process that puts a symlink in the place of a folder and takes it away again, as fast as it can, for a minute at most. `link`
 * is the symlink, `aside` a free name. In between there is nothing in its place.
 */
export function startSwapping(folder: string, link: string, aside: string): Promise<Swapping> {
  return start(BY_RENAMING, [folder, link, aside]);
}

/** The same, where there is always one or the other: what makes a folder that is missing does not end it. */
export function startExchanging(folder: string, link: string): Promise<Swapping> {
  return start(BY_EXCHANGING, [folder, link, createRequire(import.meta.url).resolve('koffi')]);
}

async function start(script: string, args: readonly string[]): Promise<Swapping> {
  const child = spawn(process.execPath, ['-e', script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let swaps = 0;
  child.stdout.on('data', (dots: Buffer) => {
    swaps += dots.length * SWAPS_A_DOT;
  });
  await once(child.stdout, 'data');
  return {
    get swaps() {
      return swaps;
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await once(child, 'close');
    },
  };
}
