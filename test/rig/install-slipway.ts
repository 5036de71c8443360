import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asUser, isRoot, mayRun } from './users.ts';

/** The bundled command line in a folder that every user may read, wherever the project lies. */
export interface InstalledSlipway {
  readonly folder: string;
  readonly node: string;
  readonly program: string;
}

const PROJECT = join(import.meta.dirname, '../..');

/** Bundles the sources as they are now and puts them beside their only package (koffi). The caller removes the folder. */
export function installSlipway(): InstalledSlipway {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-tests-'));
  chmodSync(folder, 0o755);
  const bundle = `dist-tests-${process.pid}`;
  const { status, stderr } = spawnSync(process.execPath, [join(PROJECT, '.ci/bundle.mjs'), bundle], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`the bundle could not be made:\n${stderr}`);
  cpSync(join(PROJECT, bundle), join(folder, 'dist'), { recursive: true });
  rmSync(join(PROJECT, bundle), { recursive: true });
  for (const name of ['koffi', '@koromix'])
    cpSync(join(PROJECT, 'node_modules', name), join(folder, 'node_modules', name), { recursive: true });
  return { folder, node: nodeForEverybody(folder), program: join(folder, 'dist/slipway.js') };
}

/** The Node that runs this, or a copy where only its owner gets at it (a project in /root). */
function nodeForEverybody(folder: string): string {
  if (!isRoot() || mayRun(asUser(['test', '-x', process.execPath]))) return process.execPath;
  const copy = join(folder, 'node');
  copyFileSync(process.execPath, copy);
  chmodSync(copy, 0o755);
  return copy;
}
