// Bundles the command line and the library: bundle.mjs [FOLDER], default dist. Start-up is part of every cached build. The command
// line is one CommonJS file, in which each module, and each module of Node, is loaded when something first imports it: 30 chunks of an
// ECMAScript module take 15 ms longer. The library is ECMAScript modules, as its users expect.
import { chmodSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { build } from 'esbuild';

const root = new URL('..', import.meta.url).pathname;
const folder = process.argv[2] ?? 'dist';
const made = `${root}${folder}.${process.pid}`;

const common = {
  absWorkingDir: root,
  outdir: made,
  bundle: true,
  platform: 'node',
  target: 'node24',
  minifySyntax: true,
  minifyWhitespace: true,
  external: ['koffi'],
  loader: { '.json': 'json' },
  logLevel: 'warning',
};

/** Modules of Node that some module of slipway imports which every build loads, but that few builds use: each is loaded with the first use. */
const seldomUsed = {
  name: 'seldom-used',
  setup: ({ onResolve, onLoad }) => {
    const filter = /^node:(child_process|timers\/promises|worker_threads|zlib)$/;
    onResolve({ filter }, ({ path, namespace }) =>
      namespace === 'lazy' ? { path, external: true } : { path, namespace: 'lazy' },
    );
    onLoad({ filter, namespace: 'lazy' }, ({ path }) => ({
      contents: Object.keys(createRequire(import.meta.url)(path))
        .map(
          (name) =>
            `Object.defineProperty(exports, '${name}', { enumerable: true, get: () => require('${path}').${name} });`,
        )
        .join('\n'),
    }));
  },
};

await build({
  ...common,
  entryPoints: { slipway: 'src/cli/command-line.ts' },
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
  define: { 'import.meta.url': '__moduleUrl' },
  banner: { js: "const __moduleUrl = require('node:url').pathToFileURL(__filename).href;" },
  plugins: [seldomUsed],
});
await build({
  ...common,
  entryPoints: { slipway: 'src/cli/main.ts' },
  format: 'esm',
  plugins: [
    {
      name: 'command-line-apart',
      setup: ({ onResolve, onLoad }) => {
        onResolve({ filter: /\/command-line\.ts$/ }, ({ path }) => ({ path, namespace: 'apart' }));
        // Not by import(), which would first look for the names that the file exports.
        onLoad({ filter: /./, namespace: 'apart' }, () => ({
          contents:
            "const { createRequire } = process.getBuiltinModule('node:module'); export const { runCommandLine } = createRequire(import.meta.url)('./slipway.cjs');",
        }));
      },
    },
  ],
});
// The first processes of a step that slipway starts itself, for each RUN, and threads: by themselves, and only what they need.
await build({
  ...common,
  entryPoints: {
    init: 'src/executor/native/init.ts',
    'hash-worker': 'cache/hash-worker.ts',
    'chroot-init': 'src/executor/chroot/init.ts',
    'chroot-supervisor': 'src/executor/chroot/supervisor.ts',
    'node-supervisor': 'src/executor/emulated-nodes/supervisor.ts',
  },
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
  define: { 'import.meta.url': '__filename' },
});
await build({
  ...common,
  entryPoints: { index: 'src/index.ts', 'namespace-build': 'src/namespace-build.ts' },
  splitting: true,
  format: 'esm',
  chunkNames: 'chunks/[name]-[hash]',
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
});
chmodSync(`${made}/slipway.js`, 0o755);
// Whoever uses the old bundle meanwhile finds it whole until the new one is.
rmSync(`${root}${folder}`, { recursive: true, force: true });
renameSync(made, `${root}${folder}`);
