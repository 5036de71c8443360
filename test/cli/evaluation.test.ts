import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runCommandLine } from '../../src/cli/command-line.ts';

const GOLDENS = join(import.meta.dirname, '../../fixtures/graph');

let folder: string;
let written: { stdout: string; stderr: string };
let restore: () => void;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-call-'));
  written = { stdout: '', stderr: '' };
  restore = captureOutput();
});

afterEach(() => {
  restore();
  rmSync(folder, { recursive: true, force: true });
});

function captureOutput(): () => void {
  const restores = (['stdout', 'stderr'] as const).map((name) => {
    const original = process[name].write;
    process[name].write = ((text: string | Uint8Array, done?: unknown) => {
      written[name] += Buffer.from(text as string).toString();
      if (typeof done === 'function') done();
      return true;
    }) as typeof original;
    return () => {
      process[name].write = original;
    };
  });
  return () => {
    for (const each of restores) each();
  };
}

/** Runs a command on a folder with these files; its status and what it wrote. */
async function slipway(files: Readonly<Record<string, string>>, ...args: readonly string[]) {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  written = { stdout: '', stderr: '' };
  const [command = '', ...rest] = args;
  const status = await runCommandLine([command, '--root', `${folder}.root`, '--progress=plain', ...rest, folder]);
  rmSync(`${folder}.root`, { recursive: true, force: true });
  return { status, ...written };
}

const WITH_WARNINGS = { Dockerfile: 'FROM scratch as Base\nCOPY gone /\nMAINTAINER me\n', '.dockerignore': 'gone\n' };

describe('slipway build --check', () => {
  test('prints the findings by their lines, as docker buildx does, and is a failure', async () => {
    const files = { ...WITH_WARNINGS, Dockerfile: `# check=experimental=all\n${WITH_WARNINGS.Dockerfile}` };
    const { status, stdout } = await slipway(files, 'build', '--check');
    expect(status).toBe(1);
    expect(stdout.split('\n').slice(0, 11)).toEqual([
      'Check complete, 4 warnings have been found!',
      '',
      'WARNING: StageNameCasing - https://docs.docker.com/go/dockerfile/rule/stage-name-casing/',
      "Stage name 'Base' should be lowercase",
      'Dockerfile:2',
      '--------------------',
      '   1 |     # check=experimental=all',
      '   2 | >>> FROM scratch as Base',
      '   3 |     COPY gone /',
      '   4 |     MAINTAINER me',
      '--------------------',
    ]);
    expect(stdout).toContain('Attempting to Copy file "gone" that is excluded by .dockerignore');
  });

  test('says so where there is nothing to find', async () => {
    const result = await slipway({ Dockerfile: 'FROM scratch\nCOPY a /\n' }, 'build', '--call=check');
    expect(result).toEqual({ status: 0, stdout: 'Check complete, no warnings found.\n', stderr: '' });
  });

  test('reports what a build would fail with, beside the findings', async () => {
    const Dockerfile = 'FROM scratch\nMAINTAINER x\nCOPY --chmod=abcd a /\n';
    const { status, stdout, stderr } = await slipway({ Dockerfile }, 'build', '--call=lint,ignorestatus=true');
    expect(status).toBe(1);
    expect(stdout).toContain('Check complete, 1 warning has been found!');
    expect(stderr).toContain('[SLIPWAY_CHMOD_INVALID]');
  });

  test('reports a Dockerfile that cannot be read, in JSON too', async () => {
    const { status, stdout } = await slipway(
      { Dockerfile: 'FROM scratch\nCOPPY a b\n' },
      'build',
      '--call=check,format=json',
    );
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      warnings: null,
      sources: [{ filename: 'Dockerfile', language: 'Dockerfile' }],
      buildError: { location: { ranges: [{ start: { line: 2 }, end: { line: 2 } }] } },
    });
  });

  test('gives BuildKit’s structure as JSON, and no failure where the status is to be ignored', async () => {
    const { status, stdout } = await slipway(WITH_WARNINGS, 'build', '--call=check,format=json,ignorestatus=true');
    expect(status).toBe(0);
    const { warnings, sources } = JSON.parse(stdout);
    expect(warnings[0]).toEqual({
      ruleName: 'StageNameCasing',
      description: 'Stage names should be lowercase',
      url: 'https://docs.docker.com/go/dockerfile/rule/stage-name-casing/',
      detail: "Stage name 'Base' should be lowercase",
      location: { ranges: [{ start: { line: 1 }, end: { line: 1 } }] },
    });
    expect(Buffer.from(sources[0].data, 'base64').toString()).toBe(WITH_WARNINGS.Dockerfile);
  });
});

const TWO_STAGES = {
  Dockerfile: `# base is what all stand on
FROM scratch AS base
# MODE is how
ARG MODE=fast
RUN --mount=type=secret,id=tok,required=true ["x"]
FROM base
COPY a /
`,
};

describe('slipway build --call=outline', () => {
  test('lists what the target can be given', async () => {
    const { status, stdout } = await slipway(TWO_STAGES, 'build', '--call=outline', '--target=base');
    expect(status).toBe(0);
    expect(stdout).toBe(`TARGET:      base
DESCRIPTION: is what all stand on

BUILD ARG   VALUE   DESCRIPTION
MODE        fast    is how

SECRET   REQUIRED
tok      true

`);
  });

  test('gives BuildKit’s structure as JSON, lists that are empty left out', async () => {
    const { stdout } = await slipway(TWO_STAGES, 'build', '--call=outline,format=json', '--target=base');
    const place = (line: number) => ({ ranges: [{ start: { line }, end: { line } }] });
    expect(JSON.parse(stdout)).toEqual({
      name: 'base',
      description: 'is what all stand on',
      args: [{ name: 'MODE', description: 'is how', value: 'fast', location: place(4) }],
      secrets: [{ name: 'tok', required: true, location: place(5) }],
      sources: [Buffer.from(TWO_STAGES.Dockerfile).toString('base64')],
    });
  });
});

describe('slipway build --call=targets', () => {
  test('lists the stages', async () => {
    const { stdout } = await slipway(TWO_STAGES, 'build', '--call=targets');
    expect(stdout).toBe('TARGET    DESCRIPTION\nbase      is what all stand on\n(default) \n');
    const asJson = await slipway(TWO_STAGES, 'build', '--call=targets,format=json');
    expect(JSON.parse(asJson.stdout).targets).toMatchObject([
      { name: 'base', base: 'scratch' },
      { default: true, base: 'base' },
    ]);
  });
});

const FIXTURE = {
  Dockerfile: `FROM scratch AS tools
ARG TARGETARCH
ADD --checksum=sha256:${'0'.repeat(64)} https://user:pw@example.com/tool-$TARGETARCH /tool
FROM scratch AS sources
ADD https://example.com/app.git#v1:src /src
FROM scratch
COPY --from=tools /tool /
COPY --from=sources /src /app
COPY --from=assets ["/a \\"b\\" <c>", "/assets/"]
COPY . /app
ARG NAME=world
COPY <<hello.txt /
hello $NAME
hello.txt
`,
};
const OPTIONS = ['--build-arg', 'NAME=reader', '--build-context', 'assets=.', '--platform', 'linux/amd64,linux/arm64'];

describe('slipway graph', () => {
  test.each(['text', 'json', 'dot', 'mermaid'])('prints a build as %s', async (format) => {
    const { status, stdout, stderr } = await slipway(FIXTURE, 'graph', ...OPTIONS, '--format', format);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const golden = join(GOLDENS, `build.${format}`);
    if (process.env.UPDATE_GOLDENS) writeFileSync(golden, stdout);
    expect(stdout).toBe(readFileSync(golden, 'utf8'));
    expect(stdout).not.toContain('pw@');
  });

  test('is of the target, and of nothing that it does not need', async () => {
    const { stdout } = await slipway(FIXTURE, 'graph', '--target=tools', '--platform=linux/arm64');
    expect(stdout.split('\n').map((line) => line.replace(/\[.*\] /, ''))).toEqual([
      expect.stringContaining('1  http   ADD'),
      expect.stringContaining('2  file   ADD'),
      '=> linux/arm64: 2',
      '',
    ]);
  });

  test('of an image without layers has no vertices', async () => {
    expect((await slipway({ Dockerfile: 'FROM scratch\n' }, 'graph')).stdout).toMatch(/^=> linux\/\w+: scratch\n$/);
  });

  test('refuses formats that it has not', async () => {
    const { status, stderr } = await slipway(FIXTURE, 'graph', '--format=xml');
    expect(status).toBe(2);
    expect(stderr).toContain('expected text, json, dot or mermaid');
  });
});
