/**
 * What one RUN costs, and where it goes: a chain of RUNs that write one small file each. Run as root with
 * `node test/bench/steps.bench.ts [RUNTIME...]`: crun, runc or native, by default all. It bundles what it measures, as releases are: an init
 * from sources takes twice the time. System calls are counted in runs of their own, where strace is installed.
 */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const ROOT = join(import.meta.dirname, '../..');
// Within the project, where packages are found.
const folder = `${ROOT}/dist-bench-${process.pid}`;
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const common = { absWorkingDir: ROOT, outdir: folder, bundle: true, platform: 'node', target: 'node24' } as const;
await build({
  ...common,
  entryPoints: { 'measure-steps': 'test/bench/measure-steps.ts' },
  format: 'esm',
  outExtension: { '.js': '.mjs' },
  external: ['koffi'],
});
await build({
  ...common,
  entryPoints: { init: 'src/executor/native/init.ts' },
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
  external: ['koffi'],
  define: { 'import.meta.url': '__filename' },
});
const { status } = spawnSync(process.execPath, [`${folder}/measure-steps.mjs`, ...process.argv.slice(2)], {
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
