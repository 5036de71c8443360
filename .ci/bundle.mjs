// Bundles the command line and the library: bundle.mjs [FOLDER], default dist. Start-up is part of every cached build, so what only
// some builds need (koffi, the executors, the registry client) is split off and loaded on first use.
import { chmodSync, renameSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

const root = new URL('..', import.meta.url).pathname;
const folder = process.argv[2] ?? 'dist';
const made = `${root}${folder}.${process.pid}`;
await build({
  absWorkingDir: root,
  entryPoints: { slipway: 'src/cli/main.ts', index: 'src/index.ts', 'namespace-build': 'src/namespace-build.ts' },
  outdir: made,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  minifySyntax: true,
  chunkNames: 'chunks/[name]-[hash]',
  external: ['koffi'],
  loader: { '.json': 'json' },
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
  logLevel: 'warning',
});
chmodSync(`${made}/slipway.js`, 0o755);
// Whoever uses the old bundle meanwhile finds it whole until the new one is.
rmSync(`${root}${folder}`, { recursive: true, force: true });
renameSync(made, `${root}${folder}`);
