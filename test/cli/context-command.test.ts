import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseContextArguments, runContextCommand } from '../../src/cli/context-command.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-context-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
  vi.restoreAllMocks();
});

const FILES = {
  Dockerfile:
    'FROM node:22 AS build\nARG D=src\nCOPY package.json ./\nCOPY $' +
    '{D} ./src\nRUN --mount=type=bind,source=src,target=/s true\n' +
    'FROM build AS last\nCOPY --exclude=*.md docs /docs\nCOPY nope* gone /x/\n',
  '.dockerignore': '# comment\n*.log\n\nnode_modules\n!keep.log\n',
  'src/large': 'x'.repeat(50_000),
  'package.json': '{}',
  'docs/a.md': 'left out by the instruction',
  'docs/b.txt': 'copied',
  'big.log': 'l',
  'keep.log': 'l',
  'node_modules/x/y': 'y'.repeat(3_000_000),
  unused: 'nobody reads this',
};

function write(files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

async function slipwayContext(...args: string[]) {
  const written = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      written[name] += String(text);
      return true;
    });
  const status = await runContextCommand([...args]);
  vi.restoreAllMocks();
  return { status, ...written };
}

describe('slipway context ls', () => {
  it('lists what the build sees, the largest first, with who reads it, and what is kept out', async () => {
    write(FILES);
    const { status, stdout } = await slipwayContext('ls', folder);
    expect(status).toBe(0);
    const lines = stdout.split('\n').map((line) => line.trim());
    expect(lines[0]).toBe(`${folder}: the build sees 8 files, 50.28kB`);
    expect(lines[1]).toMatch(/^5 files, .* of it are read by no instruction of Dockerfile$/);
    expect(lines[3]).toBe('50.00kB  src/large  (Dockerfile:4, Dockerfile:5)');
    expect(lines).toContain('6B  docs/b.txt  (Dockerfile:7)');
    expect(lines).toContain('27B  docs/a.md  (read by nothing)');
    expect(lines.slice(lines.indexOf('kept out:'))).toEqual([
      'kept out:',
      '3.00MB  .dockerignore:4  node_modules  (1 file)',
      '1B  .dockerignore:2  *.log  (1 file)',
      '',
      'not there:',
      'gone  (Dockerfile:8)',
      '',
    ]);
  });

  it('gives the same as JSON', async () => {
    write(FILES);
    const { stdout } = await slipwayContext('ls', '--format', 'json', folder);
    const { files, missing, dockerfile } = JSON.parse(stdout);
    expect([dockerfile, files.length, missing]).toMatchObject(['Dockerfile', 10, [{ line: 8, source: 'gone' }]]);
    expect(files[0]).toEqual({
      path: 'node_modules/x/y',
      type: 'file',
      size: 3_000_000,
      excluded: true,
      rule: { file: '.dockerignore', line: 4, pattern: 'node_modules' },
      usedBy: [],
    });
    const use = { dockerfile: 'Dockerfile', line: 3, instruction: 'COPY package.json ./' };
    expect(files.find(({ path }: { path: string }) => path === 'package.json').usedBy).toEqual([use]);
  });

  it('looks at one target only, with build arguments', async () => {
    write(FILES);
    const options = ['--target', 'build', '--build-arg', 'D=docs', '--format', 'json'];
    const { stdout } = await slipwayContext('ls', ...options, folder);
    const used = JSON.parse(stdout).files.filter(({ usedBy }: { usedBy: unknown[] }) => usedBy.length > 0);
    expect(used.map(({ path }: { path: string }) => path)).toEqual([
      'src/large',
      'docs/a.md',
      'docs/b.txt',
      'package.json',
    ]);
  });

  it('shows the twenty largest unless all are asked for', async () => {
    write(Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`f${at}`, 'x'.repeat(at)])));
    const { stdout } = await slipwayContext('ls', folder);
    expect(stdout).toContain('there is no Dockerfile');
    expect(stdout).toContain('and 10 files, 45B: --all lists them');
    expect((await slipwayContext('ls', '--all', folder)).stdout).toContain(' f0\n');
  });
});

describe('slipway context why', () => {
  it.each([
    ['keep.log', 'seen by the build: .dockerignore:5: !keep.log'],
    ['big.log', 'kept out of the build: .dockerignore:2: *.log'],
    ['node_modules', 'kept out of the build: .dockerignore:4: node_modules'],
    ['./unused', 'seen by the build: no rule speaks of it'],
    ['src/', 'read by Dockerfile:5: RUN --mount=type=bind,source=src,target=/s true'],
  ])('says of %s: %s', async (path, says) => {
    write(FILES);
    expect((await slipwayContext('why', path, folder)).stdout).toContain(says);
  });

  it('fails for a file that is not there', async () => {
    write(FILES);
    const { status, stderr } = await slipwayContext('why', 'nothing', folder);
    expect([status, stderr]).toEqual([1, expect.stringContaining('SLIPWAY_CONTEXT_FILE_MISSING')]);
  });

  it('shows no control characters of a name', async () => {
    write({ '\u001b[2Jx\ny': 'text' });
    expect((await slipwayContext('ls', folder)).stdout).not.toContain('\u001b');
  });
});

describe('the arguments of slipway context', () => {
  it.each([[['bogus']], [['why']], [['ls', '--bogus']], [['ls', 'a', 'b']]])(
    '%j are an error of the command line',
    (args) => {
      expect(() => parseContextArguments(args)).toThrow(expect.objectContaining({ code: 'SLIPWAY_OPTION_INVALID' }));
    },
  );

  it('may ask for help', () => {
    for (const args of [[], ['--help'], ['ls', '--help']])
      expect(parseContextArguments(args)).toMatchObject({
        kind: 'help',
        text: expect.stringContaining('slipway context'),
      });
  });
});
