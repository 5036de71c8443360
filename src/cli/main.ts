#!/usr/bin/env node
// An old Node has to get far enough through this file to say that it is too old: no syntax newer than Node 14, and no imports of
// other files of slipway but dynamic ones. Modules of Node that are imported here would be loaded with all that they have for others, which
// takes 5 ms; `getBuiltinModule` does not do that.

const NEEDED_MAJOR = 24;

if (Number(process.versions.node.split('.')[0]) < NEEDED_MAJOR) await startWithNewerNode();
else await start();

async function start(): Promise<void> {
  keepCompiledCode();
  useAllProcessors();
  const args = process.argv.slice(2);
  if (args.length === 1 && (args[0] === '--version' || args[0] === '-v' || args[0] === 'version')) {
    const { packageVersion } = await import('./version.ts');
    process.stdout.write(`slipway ${packageVersion()}\n`);
    return;
  }
  const { runCommandLine } = await import('./command-line.ts');
  // Exits although handles may be open, for instance a standard input that nobody read to its end.
  process.exit(await runCommandLine(args));
}

/** Node's thread pool, which compresses layers, has four threads unless it is told otherwise before it is first used. */
function useAllProcessors(): void {
  const { availableParallelism } = process.getBuiltinModule('node:os');
  process.env.UV_THREADPOOL_SIZE = process.env.UV_THREADPOOL_SIZE || String(Math.max(4, availableParallelism()));
}

/** Keeps compiled code in the user's own cache folder: one in /tmp could be filled by somebody else. */
function keepCompiledCode(): void {
  const { enableCompileCache } = process.getBuiltinModule('node:module');
  const home = process.env.XDG_CACHE_HOME || (process.env.HOME ? `${process.env.HOME}/.cache` : '');
  if (process.env.NODE_COMPILE_CACHE) enableCompileCache();
  else if (home !== '') enableCompileCache(`${home}/slipway/compile-cache`);
}

async function startWithNewerNode(): Promise<void> {
  const newer = await newerNode();
  if (newer === undefined) {
    process.stderr.write(
      `error: slipway needs Node ${NEEDED_MAJOR} or later, this is ${process.versions.node} [SLIPWAY_NODE_TOO_OLD]\n` +
        `hint: install it beside the other one: npm install node@${NEEDED_MAJOR}\n`,
    );
    process.exitCode = 1;
    return;
  }
  const { spawn } = await import('node:child_process');
  const child = spawn(newer, process.argv.slice(1), { stdio: 'inherit' });
  // A terminal sends SIGINT to both processes; the child decides what it means.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.on('error', (error) => {
    process.stderr.write(`error: ${newer} could not be started: ${error.message} [SLIPWAY_NODE_TOO_OLD]\n`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => process.exit(code === null ? (signal === 'SIGINT' ? 130 : 143) : code));
}

/** The `node` of npm's package of that name, in the node_modules of a folder above this file. */
async function newerNode(): Promise<string | undefined> {
  const { existsSync } = await import('node:fs');
  const { fileURLToPath } = await import('node:url');
  for (let folder = new URL('.', import.meta.url); ; folder = new URL('..', folder)) {
    const candidate = fileURLToPath(new URL('node_modules/node/bin/node', folder));
    if (existsSync(candidate)) return candidate;
    if (folder.pathname === '/') return undefined;
  }
}
