import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findProgram } from '../../src/executor/oci-runtime.ts';
import { BUSYBOX } from '../executor/rig/rungs.ts';
import { canary, searchFor } from './canary-search.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

const missing = [
  ...(process.geteuid?.() === 0 ? [] : ['root']),
  ...(BUSYBOX === undefined ? ['a static busybox (busybox-static)'] : []),
  ...((findProgram('crun', process.env) ?? findProgram('runc', process.env)) ? [] : ['crun or runc']),
];
if (missing.length > 0) console.warn(`SKIPPED: secrets in a whole build: needs ${missing.join(', ')}`);

const DOCKERFILE = `
FROM scratch AS base
COPY busybox /bin/busybox
COPY busybox /bin/sh
ENV PATH=/bin
FROM base
RUN --mount=type=secret,id=file busybox sha256sum /run/secrets/file; busybox stat -c '%a %u:%g' /run/secrets/file
RUN --mount=type=secret,id=env,target=/deep/er/token,mode=0440,uid=5,gid=7 busybox sha256sum /deep/er/token; busybox stat -c '%a %u:%g' /deep/er/token
RUN --mount=type=secret,id=variable,env=TOKEN busybox printf %s "$TOKEN" | busybox sha256sum
RUN --mount=type=ssh busybox test -S "$SSH_AUTH_SOCK" && busybox stat -c '%a %u:%g' "$SSH_AUTH_SOCK"
RUN --mount=type=cache,target=/cache busybox env; busybox cat /proc/*/environ; busybox find / -xdev -name '*token*' -o -xdev -name '*agent*'
RUN --mount=type=secret,id=absent busybox ls /run /deep 2>&1; busybox true
`;

describe.skipIf(missing.length > 0)('secrets and ssh keys', () => {
  const canaries = { file: canary(), env: canary(), variable: canary() };
  const { privateKey } = generateKeyPairSync('ed25519');
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const search = searchFor({
    ...canaries,
    pem: key.split('\n')[1] ?? '',
    seed: Buffer.from(privateKey.export({ format: 'jwk' }).d ?? '', 'base64url'),
  });
  let folder: string;
  let context: string;
  let logs: Record<'plain' | 'rawjson', string>;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'slipway-secrets-'));
    context = join(folder, 'context');
    mkdirSync(context);
    mkdirSync(join(folder, 'home'));
    copyFileSync(BUSYBOX ?? '', join(context, 'busybox'));
    chmodSync(join(context, 'busybox'), 0o755);
    writeFileSync(join(context, 'Dockerfile'), DOCKERFILE);
    writeFileSync(join(folder, 'home/token'), canaries.file);
    writeFileSync(join(folder, 'home/key'), key, { mode: 0o600 });
    logs = { plain: build('plain'), rawjson: build('rawjson', '--no-cache') };
  }, 120_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function build(progress: string, ...more: string[]): string {
    const args = [
      ...['build', '--progress', progress, '--debug', '--root', join(folder, 'store'), ...more],
      ...['--secret', `id=file,src=${folder}/home/token`, '--secret', 'id=env,env=FROM_ENV'],
      ...['--secret', 'id=variable,env=VARIABLE', '--ssh', `default=${folder}/home/key`],
      ...['--metadata-file', join(folder, `metadata-${progress}.json`)],
      ...['-o', `type=oci,dest=${folder}/image-${progress}.tar,compression=uncompressed`],
      ...['-o', `type=local,dest=${folder}/files-${progress}`, context],
    ];
    const env = { ...process.env, HOME: folder, FROM_ENV: canaries.env, VARIABLE: canaries.variable };
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', MAIN, ...args],
      {
        env,
        encoding: 'utf8',
        maxBuffer: 64 * 1024 * 1024,
      },
    );
    expect(status, stderr).toBe(0);
    return stdout + stderr;
  }

  it('are what the user gave, with the mode and owner that the Dockerfile asks for', () => {
    const sums = Object.values(canaries).map((text) => sha256(text));
    for (const sum of sums) expect(logs.plain).toContain(sum);
    expect(logs.plain).toMatch(/ 400 0:0$/m);
    expect(logs.plain).toMatch(/ 440 5:7$/m);
    expect(logs.plain).toMatch(/ 600 0:0$/m);
  });

  it('are in no image, layer, config, history, metadata or file of the result', () => {
    expect(
      search.below(
        folder,
        ['store', 'home', 'context'].map((name) => join(folder, name)),
      ),
    ).toEqual([]);
  });

  it('are in no file of the store, its database included', () => {
    expect(search.below(join(folder, 'store'))).toEqual([]);
  });

  it('are in no progress, and in no environment of other steps', () => {
    expect(search.inBytes('plain', Buffer.from(logs.plain))).toEqual([]);
    expect(search.inBytes('rawjson', Buffer.from(logs.rawjson))).toEqual([]);
    const outputs = [...logs.rawjson.matchAll(/"data":"([^"]*)"/g)].map(([, data = '']) => Buffer.from(data, 'base64'));
    expect(outputs.length).toBeGreaterThan(5);
    expect(search.inBytes('the output of the steps', Buffer.concat(outputs))).toEqual([]);
    expect(logs.plain).not.toMatch(/ (TOKEN|FROM_ENV|VARIABLE)=/);
  });

  it('leave no trace of where they were', () => {
    const files = (below: string): string[] => readdirSync(join(folder, 'files-plain', below));
    expect(files('.')).not.toContain('deep');
    expect(files('.')).not.toContain('cache');
    expect(files('.')).not.toContain('run');
  });

  it('would be found: the search finds what a step writes to its layer', () => {
    const planted = join(folder, 'planted');
    mkdirSync(planted);
    writeFileSync(join(planted, 'f'), `x${canaries.file}x`);
    const file = join(planted, 'f');
    expect(search.below(planted)).toEqual([`${file}: file`]);
    for (const before of ['', 'x', 'xy', 'xyz']) {
      writeFileSync(file, `${Buffer.from(`${before}${canaries.env}`).toString('base64')}`);
      expect(search.below(planted)).toEqual([`${file}: env`]);
    }
    writeFileSync(file, gzipSync(canaries.variable));
    expect(search.below(planted)).toEqual([`${file}: variable`]);
    rmSync(planted, { recursive: true });
  });
});

function sha256(text: string): string {
  return spawnSync('sha256sum', { input: text, encoding: 'utf8' }).stdout.slice(0, 64);
}
