import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findProgram } from '../../src/executor/oci-runtime.ts';
import { BUSYBOX } from '../executor/rig/rungs.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

/** What this machine lacks for builds of this file; empty where they can be made. */
export function missingForBuilds(): readonly string[] {
  return [
    ...(process.geteuid?.() === 0 ? [] : ['root']),
    ...(BUSYBOX === undefined ? ['a static busybox (busybox-static)'] : []),
    ...((findProgram('crun', process.env) ?? findProgram('runc', process.env)) ? [] : ['crun or runc']),
  ];
}

export interface BuildResult {
  readonly status: number | null;
  /** Everything that was printed. */
  readonly log: string;
}

/** A store and a context of a test's own, whose steps run on a root of busybox alone. Disposing removes them. */
export interface BusyboxBuilds extends Disposable {
  readonly folder: string;
  /** Builds `RUN` lines with the command line, without a cache; `PATH` and the rest of the environment are this process's. */
  build(lines: string, args?: readonly string[], env?: Readonly<Record<string, string>>): BuildResult;
}

export function busyboxBuilds(): BusyboxBuilds {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-build-'));
  const context = join(folder, 'context');
  mkdirSync(context);
  copyFileSync(BUSYBOX ?? '', join(context, 'busybox'));
  chmodSync(join(context, 'busybox'), 0o755);
  const head = 'FROM scratch\nCOPY busybox /bin/busybox\nCOPY busybox /bin/sh\nENV PATH=/bin\n';
  const node = ['--disable-warning=ExperimentalWarning', MAIN, 'build', '--no-cache', '--progress', 'plain'];
  return {
    folder,
    build: (lines, args = [], env = {}) => {
      writeFileSync(join(context, 'Dockerfile'), head + lines);
      const { status, stdout, stderr } = spawnSync(
        process.execPath,
        [...node, '--root', join(folder, 'store'), ...args, context],
        { encoding: 'utf8', env: { ...process.env, HOME: folder, ...env } },
      );
      return { status, log: stdout + stderr };
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}
