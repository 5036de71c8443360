import { existsSync, mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { availableRungs, type Rung, type Runner, startRunner } from './rig/rungs.ts';
import type { StepRequest } from './rig/steps.ts';

/**
 * What a step can see and do, as a text for each executor and rung; `UPDATE_GOLDENS=1` writes them anew. What depends on the machine
 * is left out of them or said in words.
 */
const GOLDENS = fileURLToPath(new URL('../../fixtures/executor/state', import.meta.url));

const STATE = `
  section() { echo; echo "== $1"; }
  section process; echo "pid $$"; cut -d' ' -f4-6 /proc/1/stat; readlink /proc/1/cwd /proc/1/root
  section status; grep -E '^(Uid|Gid|Groups|Umask|Cap...|NoNewPrivs|Seccomp|Sig(Blk|Ign|Cgt)):' /proc/1/status
  section descriptors; for fd in /proc/1/fd/*; do echo "$fd $(readlink $fd)"; done
  section environment; env | sort
  section limits; ulimit -n; cat /proc/1/oom_score_adj
  section mounts; sed -E 's/^[0-9]+ [0-9]+ [^ ]+ [^ ]+ ([^ ]+) ([^ ]+) .*- ([^ ]+) .*/\\1 \\2 \\3/' /proc/self/mountinfo
  section devices; find /dev -mindepth 1 -maxdepth 1 | sort | while read -r f; do
    stat -c '%N %F %a %u:%g %t:%T' "$f"; done
  section processes; test $(ls /proc | grep -cE '^[0-9]+$') -lt 9 && echo 'its own alone'
  section namespaces; for n in cgroup ipc mnt net pid user uts; do echo "$n $(readlink /proc/self/ns/$n)"; done`;

/** Read-only or covered by the executor, where the kernel has them. */
const HIDDEN = /^\/(proc|sys)\/(?!fs\/cgroup )/;

for (const rung of availableRungs()) {
  describe(rung.name, () => {
    let runner: Runner;
    beforeAll(() => {
      runner = startRunner(rung);
    });
    afterAll(() => runner[Symbol.asyncDispose]());

    const state = async (step: Partial<StepRequest>) => {
      const { stdout, error } = await runner.run({ args: ['/bin/sh', '-c', STATE], ...step });
      expect(error).toBeUndefined();
      return normalised(stdout.trim(), step, runner);
    };

    test('the state in a step is the golden one', async () => {
      expectGolden(rung, 'default', await state({}));
    });

    test('the state in a step of an ordinary user without network is the golden one', async () => {
      expectGolden(rung, 'user', await state({ user: 'www-data', network: 'none' }));
    });

    test('nothing can be read from what is masked, and nothing written to what is read-only', async () => {
      const { stdout } = await runner.run({
        args: [
          '/bin/sh',
          '-c',
          `for f in ${MASKED.join(' ')}; do
             if test -d $f; then ls -A $f; elif test -e $f; then cat $f; fi; done 2>&1
           for f in ${READ_ONLY.join(' ')}; do test -e $f && (echo x >>$f || mkdir $f/x) 2>/dev/null && echo "wrote $f"; done
           true`,
        ],
      });
      expect(stdout).toBe('');
    });
  });
}

/** As containerd has them. */
const MASKED = ['acpi', 'asound', 'kcore', 'keys', 'latency_stats', 'timer_list', 'timer_stats', 'sched_debug', 'scsi']
  .map((name) => `/proc/${name}`)
  .concat('/sys/firmware', '/sys/devices/virtual/powercap');
const READ_ONLY = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys/kernel/hostname', '/proc/sysrq-trigger'];

function expectGolden(rung: Rung, step: string, state: string): void {
  const path = `${GOLDENS}/${step}-${rung.runtime}-${rung.rootless ? 'rootless' : 'root'}.txt`;
  if (process.env.UPDATE_GOLDENS === '1' || !existsSync(path)) {
    mkdirSync(GOLDENS, { recursive: true });
    writeFileSync(path, `${state}\n`);
  }
  expect(`${state}\n`).toBe(readFileSync(path, 'utf8'));
}

function normalised(state: string, step: Partial<StepRequest>, runner: Runner): string {
  const lines = state.split('\n').flatMap((line) => {
    const namespace = /^(\w+) (\1:\[\d+\])$/.exec(line);
    // Where no program for a network of its own is installed, a step is on the builder's.
    if (namespace?.[1] === 'net' && step.network === undefined) return [];
    if (namespace !== null) return [`${namespace[1]} ${namespaceOwner(namespace, runner)}`];
    const isCgroupV1 = /^\/sys\/fs\/cgroup\/\S+ /.test(line) || /^\/sys\/fs\/cgroup .* tmpfs$/.test(line);
    if (isCgroupV1 || (HIDDEN.test(line) && !line.startsWith('/proc/1/'))) return [];
    return [line.replace(/pipe:\[\d+\]/, 'pipe')];
  });
  return [...new Set(lines)].join('\n');
}

function namespaceOwner([, type = '', id]: RegExpExecArray, runner: Runner): string {
  return readlinkSync(`/proc/${runner.process.pid}/ns/${type}`) === id ? "the builder's" : 'its own';
}
