import { spawn } from 'node:child_process';
import { once } from 'node:events';

const SWAP = `
const { renameSync, writeSync } = require('node:fs');
const [folder, link, aside] = process.argv.slice(1);
const rename = (from, to) => { try { renameSync(from, to); } catch {} };
for (const end = Date.now() + 60_000; Date.now() < end; ) {
  for (let count = 0; count < 100; count++) {
    rename(folder, aside);
    rename(link, folder);
    rename(folder, link);
    rename(aside, folder);
  }
  writeSync(1, '.');
}
`;
const SWAPS_A_DOT = 100;

/** A process that swaps. Disposing ends it and waits for that. */
export interface Swapping extends AsyncDisposable {
  /** How often the symlink took the place of the folder so far. Grows while the event loop runs. */
  readonly swaps: number;
}

/**
 * Another process that puts a symlink in the place of a folder and takes it away again, as fast as it can, for a minute at most. `link`
 * is the symlink, `aside` a free name.
 */
export async function startSwapping(folder: string, link: string, aside: string): Promise<Swapping> {
  const child = spawn(process.execPath, ['-e', SWAP, folder, link, aside], { stdio: ['ignore', 'pipe', 'inherit'] });
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
