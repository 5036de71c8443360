/** The program that steps.bench.ts bundles and runs: RUNTIME..., or --steps RUNTIME COUNT to only run steps. */
import { mkdtempSync, readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { openContentStore } from '../../cache/content/file-content-store.ts';
import { createLayerStore } from '../../cache/layers/create-layer-store.ts';
import type { LayerId } from '../../cache/layers/layer-store.ts';
import { openLeases } from '../../cache/leases.ts';
import { openStore } from '../../cache/store.ts';
import type { ProcessSpec } from '../../src/core/executor.ts';
import { silentProgress } from '../../src/core/progress.ts';
import type { ContainerRuntime } from '../../src/executor/container-runtime.ts';
import { NativeRuntime } from '../../src/executor/native/native-runtime.ts';
import { OciExecutor } from '../../src/executor/oci-executor.ts';
import { findOciRuntime } from '../../src/executor/oci-runtime.ts';
import { ProgramRuntime } from '../../src/executor/program-runtime.ts';
import { BUSYBOX, makeBusyboxRoot } from '../executor/rig/busybox-root.ts';
import { syscallsOfSteps } from './count-syscalls.ts';

const STEPS = 30;
const PHASES = ['make the layer', 'mount the root, write the spec', 'container', 'unmount', 'keep the layer'] as const;
type Phase = (typeof PHASES)[number];

const [mode, name = '', count = ''] = process.argv.slice(2);
if (mode === '--steps') await chain(name, Number(count));
else
  for (const runtime of mode === undefined ? ['crun', 'runc', 'native'] : process.argv.slice(2)) await report(runtime);

async function report(runtime: string): Promise<void> {
  await chain(runtime, 3);
  const before = cpuMilliseconds();
  const times = await chain(runtime, STEPS);
  const cpu = cpuMilliseconds() - before;
  const total = PHASES.reduce((sum, phase) => sum + times[phase], 0);
  console.log(`\n${runtime}: ${(total / STEPS).toFixed(1)} ms a RUN, ${(cpu / STEPS).toFixed(0)} ms of CPU`);
  for (const phase of PHASES) console.log(`${(times[phase] / STEPS).toFixed(2).padStart(8)} ms  ${phase}`);
  for (const [program, calls] of syscallsOfSteps([import.meta.filename, '--steps', runtime]))
    console.log(`${calls.toFixed(0).padStart(8)} system calls of ${program}`);
}

/** Runs a chain of steps, each on top of what those before it made. Milliseconds of every phase, of all steps together. */
async function chain(runtimeName: string, steps: number): Promise<Readonly<Record<Phase, number>>> {
  if (BUSYBOX === undefined) throw new Error('there is no static busybox (apt-get install busybox-static)');
  const times = Object.fromEntries(PHASES.map((phase) => [phase, 0])) as Record<Phase, number>;
  // Not removed here: its mounts go with this process.
  const folder = mkdtempSync(`${import.meta.dirname}/chain-`);
  using cleanup = new DisposableStack();
  makeBusyboxRoot(`${folder}/busybox`, BUSYBOX);
  const store = cleanup.use(openStore(`${folder}/store`));
  const layers = createLayerStore({ store, content: openContentStore(store), leases: openLeases(store.database) });
  const [stateDir, { signal }] = [`${folder}/executor`, new AbortController()];
  let last = performance.now();
  const mark = (phase: Phase) => {
    const now = performance.now();
    times[phase] += now - last;
    last = now;
  };
  const executor = cleanup.use(
    new OciExecutor({
      runtime: watched(runtimeOf(runtimeName, stateDir), mark),
      stateDir,
      scratchDir: store.temporaryPath(),
      xattrs: 'trusted',
      env: process.env,
    }),
  );
  const stack: LayerId[] = [];
  for (let step = 0; step < steps; step++) {
    // The first makes the network, too.
    if (step === 1) for (const phase of PHASES) times[phase] *= 0;
    last = performance.now();
    using mounted = await layers.mount(stack, signal);
    await using layer = await layers.prepare();
    mark('make the layer');
    const root = { ...layer, lowerDirs: [`${folder}/busybox`, ...mounted.lowerDirs] };
    await executor.run(processOf(step), root, [], { stdout() {}, stderr() {} }, { signal, progress: silentProgress });
    mark('unmount');
    stack.push(await layer.commit());
    mark('keep the layer');
  }
  return times;
}

function runtimeOf(runtime: string, stateDir: string): ContainerRuntime {
  return runtime === 'native'
    ? new NativeRuntime(stateDir)
    : new ProgramRuntime(findOciRuntime(runtime, { env: process.env }), stateDir);
}

/** The runtime, with what is before its containers and they themselves marked. */
function watched(runtime: ContainerRuntime, mark: (phase: Phase) => void): ContainerRuntime {
  return {
    name: runtime.name,
    dropsNodev: runtime.dropsNodev,
    followsMounts: runtime.followsMounts,
    seccompFilter: (profile) => runtime.seccompFilter(profile),
    prepare: (memory) => runtime.prepare(memory),
    run: async (...given) => {
      mark('mount the root, write the spec');
      await runtime.run(...given);
      mark('container');
    },
    [Symbol.dispose]: () => runtime[Symbol.dispose](),
  };
}

function processOf(step: number): ProcessSpec {
  return {
    id: `step${step}`,
    args: ['/bin/sh', '-c', `echo ${step} >/f${step}`],
    env: ['PATH=/bin'],
    cwd: '/',
    user: '',
    hostname: 'bench',
    network: 'sandbox',
    security: 'sandbox',
    extraHosts: [],
    ulimits: [],
    devices: [],
  };
}

/** Of this process and all its children that have ended (proc_pid_stat(5): utime, stime, cutime, cstime, in hundredths of a second). */
function cpuMilliseconds(): number {
  const stat = readFileSync('/proc/self/stat', 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) * 10, 0);
}
