import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import glob from 'fast-glob';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '..');

/** What each room may import of ours. The longest matching room counts; a room may always import itself. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  'src/core': [],
  cache: ['src/core'],
  solver: ['src/core', 'cache'],
  frontend: ['src/core', 'solver/vertex.ts'],
  'src/context': ['src/core', 'cache'],
  'src/registry': ['src/core', 'cache'],
  'src/image': ['src/core', 'cache', 'src/registry'],
  'src/export': ['src/core', 'cache', 'src/image', 'src/registry'],
  'src/executor': ['src/core'],
  'src/ssh-agent': ['src/core'],
  'src/progress': ['src/core'],
  'src/cli': [
    'src/core',
    'src/progress',
    'src/build.ts',
    'src/context-report.ts',
    'src/enter-failed-step.ts',
    'src/images.ts',
    'src/prune.ts',
    'src/replace-file.ts',
    'src/evaluate.ts',
    'src/graph.ts',
    'src/engine.ts',
    'src/executor/rootless.ts',
    'src/executor/doctor',
  ],
};

/** The files of `src` itself put services together, so they may see every room. */
const COMPOSITION = glob.sync('src/*.ts', { cwd: ROOT });

const files = glob.sync('{src,frontend,solver,cache}/**/*.ts', { cwd: ROOT }).sort();

function importsOf(file: string): string[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  return [...text.matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)].map((match) =>
    normalize(join(dirname(file), match[1] ?? '')),
  );
}

function roomOf(file: string): string | undefined {
  return Object.keys(ARROWS)
    .filter((room) => file.startsWith(`${room}/`))
    .sort((a, b) => b.length - a.length)[0];
}

describe('the import arrows of ARCHITECTURE.md', () => {
  it.each(files.filter((file) => !COMPOSITION.includes(file)))('%s imports only what its room may see', (file) => {
    const room = roomOf(file);
    expect(room, `${file} is in no room`).toBeDefined();
    const allowed = [room ?? '', ...(ARROWS[room ?? ''] ?? [])];
    const forbidden = importsOf(file).filter(
      (target) => !allowed.some((place) => target === place || target.startsWith(`${place}/`)),
    );
    expect(forbidden).toEqual([]);
  });
});
