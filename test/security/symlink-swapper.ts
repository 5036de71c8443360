import { spawn } from 'node:child_process';
import { once } from 'node:events';

const SWAP = `
const { renameSync } = require('node:fs');
const [folder, link, aside] = process.argv.slice(1);
const rename = (from, to) => { try { renameSync(from, to); } catch {} };
process.stdout.write('ready');
for (const end = Date.now() + 60_000; Date.now() < end; ) {
  for (let count = 0; count < 1000; count++) {
    rename(folder, aside);
    rename(link, folder);
    rename(folder, link);
    rename(aside, folder);
  }
}
`;

/**
 * Another process that puts a symlink in the place of a folder and takes it away again, as fast as it can, for a minute at most. `link`
 * is the symlink, `aside` a free name. Disposing ends it and waits for that.
 */
export async function startSwapping(folder: string, link: string, aside: string): Promise<AsyncDisposable> {
  const child = spawn(process.execPath, ['-e', SWAP, folder, link, aside], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await once(child, 'close');
    },
  };
}
