import { chmodSync, copyFileSync, cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { asUser, isRoot, mayRun } from '../../rig/users.ts';

/** Sources that run, and the Node to run them with. */
export interface RunnableProject {
  readonly folder: string;
  readonly node: string;
}

const PROJECT = join(import.meta.dirname, '../../..');
/** What runs steps, and all that it imports. */
const PARTS = ['package.json', 'src', 'test/executor/rig', 'test/rig', 'node_modules/koffi', 'node_modules/@koromix'];

let project: RunnableProject | undefined;

afterAll(() => {
  if (project !== undefined && project.folder !== PROJECT) rmSync(project.folder, { recursive: true, force: true });
});

/** The project as the tests' ordinary user can run it: a copy where only root gets at it (a clone in /root), removed after the file's tests. */
export function projectForUser(): RunnableProject {
  project ??= isReadable() ? { folder: PROJECT, node: process.execPath } : copyProject();
  return project;
}

function isReadable(): boolean {
  if (!isRoot()) return true;
  const look = `require('fs').accessSync(${JSON.stringify(join(PROJECT, 'package.json'))})`;
  return mayRun(asUser([process.execPath, '-e', look]));
}

function copyProject(): RunnableProject {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-project-'));
  chmodSync(folder, 0o755);
  for (const part of PARTS) cpSync(join(PROJECT, part), join(folder, part), { recursive: true });
  const node = join(folder, 'node');
  copyFileSync(process.execPath, node);
  chmodSync(node, 0o755);
  return { folder, node };
}
