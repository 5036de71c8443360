/**
 * Wall times of whole builds as a table for the README, beside those of `docker buildx` and `buildah` where they are installed. Each
 * builder makes the same OCI tarball, in turn; the median counts, and the ratio is to the faster of the others. Run with
 * `node test/bench/builds.bench.ts [WORKLOAD...]` after `npm run build`. `BENCH_RUNS=N` (default 3, after one that is not counted);
 * `BENCH_REGISTRY=localhost:5000/` is where `debian:bookworm` and `busybox:latest` come from; `BENCH_CLI=dist/slipway.js`.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { arch, cpus, release, tmpdir } from 'node:os';
import { errnoOf } from '../../src/core/errors.ts';
import { WORKLOADS, type Workload, writeContext } from './workloads.ts';

interface Builder {
  readonly name: string;
  /** Undefined where it is not installed. */
  readonly version: string | undefined;
  /** The programs of one build, to be run one after the other. */
  commands(context: string, out: string, cold: boolean): readonly (readonly string[])[];
  /** Removes its cache and images. */
  forget(): void;
}

const { BENCH_RUNS = '3', BENCH_REGISTRY = '', BENCH_CLI = 'dist/slipway.js' } = process.env;
const images = { debian: `${BENCH_REGISTRY}debian:bookworm`, busybox: `${BENCH_REGISTRY}busybox:latest` };
const work = mkdtempSync(`${tmpdir()}/slipway-bench-`);
process.on('exit', () => rmSync(work, { recursive: true, force: true }));

const noCache = (cold: boolean) => (cold ? ['--no-cache'] : []);
const run = (...command: readonly string[]) => spawnSync(command[0] ?? '', command.slice(1), { encoding: 'utf8' });
const versionOf = (...command: readonly string[]) => /\d+\.\d+[^\s,]*/.exec(run(...command).stdout ?? '')?.[0];

const slipway: Builder = {
  name: 'slipway',
  version: versionOf(process.execPath, BENCH_CLI, '--version'),
  commands: (context, out, cold) => [
    [
      process.execPath,
      BENCH_CLI,
      'build',
      '--root',
      `${work}/root`,
      '--progress=quiet',
      '-o',
      `type=oci,dest=${out}`,
      ...noCache(cold),
      context,
    ],
  ],
  forget: () => rmSync(`${work}/root`, { recursive: true, force: true }),
};
const peers: readonly Builder[] = [
  {
    name: 'BuildKit',
    version: versionOf('docker', 'version', '--format', '{{.Server.Version}}'),
    commands: (context, out, cold) => [
      [
        'docker',
        'buildx',
        'build',
        '--progress=quiet',
        '--provenance=false',
        '--network=host',
        '-o',
        `type=oci,dest=${out}`,
        ...noCache(cold),
        context,
      ],
    ],
    forget: () => {
      run('docker', 'buildx', 'prune', '-af');
      run('docker', 'system', 'prune', '-af');
    },
  },
  {
    name: 'Buildah',
    version: versionOf('buildah', '--version'),
    commands: (context, out, cold) => [
      ['buildah', 'build', '-q', '--layers', '--network=host', '-t', 'bench', ...noCache(cold), context],
      ['buildah', 'push', '-q', 'bench', `oci-archive:${out}`],
    ],
    forget: () => void run('buildah', 'rmi', '-af'),
  },
];

const builders = [slipway, ...peers.filter((peer) => peer.version !== undefined)];
console.log(
  `${cpus()[0]?.model} (${cpus().length} ${arch()} cores), Linux ${release()}, Node ${process.versions.node}, ${versionOf('crun', '--version')} crun`,
);
console.log(
  `| build | ${builders.map(({ name, version }) => `${name} ${version}`).join(' | ')} | ratio | | peak memory |`,
);
console.log(`|---|${builders.map(() => '--:|').join('')}--:|---|--:|`);
const wanted = process.argv.slice(2);
for (const name of wanted.length === 0 ? Object.keys(WORKLOADS) : wanted) {
  const workload = WORKLOADS[name];
  if (workload === undefined) throw new Error(`no workload ${name}; there are ${Object.keys(WORKLOADS).join(', ')}`);
  console.log(await rowOf(workload));
}

async function rowOf(workload: Workload): Promise<string> {
  const context = `${work}/context`;
  writeContext(context, workload, images);
  const results = new Map(builders.map((builder) => [builder, { seconds: [] as number[], megabytes: 0 }]));
  const first = workload.fresh === true ? 1 : 0;
  for (let number = first; number <= Number(BENCH_RUNS); number++) {
    workload.change?.(context);
    for (const [builder, result] of results) {
      if (workload.fresh === true) builder.forget();
      rmSync(`${work}/out.tar`, { force: true });
      const { seconds, megabytes } = await timed(builder.commands(context, `${work}/out.tar`, workload.cold));
      if (number > 0) result.seconds.push(seconds);
      result.megabytes = Math.max(result.megabytes, megabytes);
    }
  }
  rmSync(context, { recursive: true });
  const times = [...results.values()].map(({ seconds }) => median(seconds));
  const [ours = Number.NaN, ...theirs] = times;
  const ratio = ours / (theirs.length === 0 ? Number.NaN : Math.min(...theirs));
  const columns = [
    ...times.map((time) => `${time.toFixed(2)} s`),
    ratio.toFixed(2),
    `\`${bar(ratio)}\``,
    `${results.get(slipway)?.megabytes} MB`,
  ];
  return `| ${workload.title} | ${columns.join(' | ')} |`;
}

/** Of twenty, what the faster peer takes. */
function bar(ratio: number): string {
  const full = Number.isNaN(ratio) ? 0 : Math.min(20, Math.max(1, Math.round(ratio * 20)));
  return `${'█'.repeat(full)}${'░'.repeat(20 - full)}`;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle) - 1] ?? Number.NaN)) / 2;
}

/** Wall time, and the most memory that the first process of a command had. */
async function timed(commands: readonly (readonly string[])[]): Promise<{ seconds: number; megabytes: number }> {
  const start = performance.now();
  let megabytes = 0;
  for (const [program = '', ...options] of commands) {
    const child = spawn(program, options, { stdio: ['ignore', 'ignore', 'pipe'] });
    const look = setInterval(() => {
      megabytes = Math.max(megabytes, peakMemory(child.pid));
    }, 20);
    let complaint = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(-2000);
    });
    const status = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
    clearInterval(look);
    if (status !== 0) throw new Error(`${[program, ...options].join(' ')} failed:\n${complaint}`);
  }
  return { seconds: (performance.now() - start) / 1000, megabytes };
}

/** In megabytes; 0 where the process has ended. */
function peakMemory(pid: number | undefined): number {
  try {
    return Math.round(Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) / 1024);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return 0;
    throw error;
  }
}
