import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { BuildOptions, BuildOutcome, BuildRequest } from '../../src/build.ts';
import { runBuildCommand } from '../../src/cli/build-command.ts';
import { SlipwayError } from '../../src/core/errors.ts';

const IMAGE_ID = `sha256:${'a'.repeat(64)}`;
const OUTCOME = { imageId: IMAGE_ID, platforms: ['linux/amd64'], tags: [], metadata: { 'image.name': 'x' } };

let folder: string;
let stdout: string;
let stderr: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-test-'));
  stdout = '';
  stderr = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text, done?: unknown) => {
    stdout += text;
    if (typeof done === 'function') done();
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    stderr += text;
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

type FakeBuild = (request: BuildRequest, options: BuildOptions) => Promise<unknown>;
const run = (args: string[], build: FakeBuild = async () => OUTCOME) =>
  runBuildCommand(args, async () => async (request, options) => (await build(request, options)) as BuildOutcome);

describe('slipway build', () => {
  it('prints the image id and nothing else with -q', async () => {
    expect(await run(['-q', '.'])).toBe(0);
    expect([stdout, stderr]).toEqual([`${IMAGE_ID}\n`, '']);
  });

  it('prints progress to standard error and nothing to standard output', async () => {
    const status = await run(['--progress=plain', '.'], async (_request, { onEvent }) => {
      onEvent?.({ type: 'step-planned', at: 0, step: { id: 'a', name: '[1/1] FROM x' } });
      onEvent?.({ type: 'step-finished', at: 0, id: 'a', outcome: 'cached' });
      return OUTCOME;
    });
    expect([status, stdout, stderr]).toEqual([0, '', '#1 [1/1] FROM x\n#1 CACHED\n']);
  });

  it('writes the image id and the metadata to files', async () => {
    expect(await run(['-q', '--iidfile', join(folder, 'iid'), '--metadata-file', join(folder, 'meta'), '.'])).toBe(0);
    expect(readFileSync(join(folder, 'iid'), 'utf8')).toBe(IMAGE_ID);
    expect(JSON.parse(readFileSync(join(folder, 'meta'), 'utf8'))).toEqual({ 'image.name': 'x' });
  });

  it('exits 1 with one error when the build fails', async () => {
    const status = await run(['-q', '.'], async () => {
      throw new SlipwayError('SLIPWAY_RUN_FAILED', 'RUN false exited with code 1');
    });
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^error: RUN false exited with code 1 +\[SLIPWAY_RUN_FAILED\]\n$/);
  });

  it('exits 2 without building when the command line is wrong', async () => {
    const build = vi.fn();
    expect(await run(['--no-such-option', '.'], build)).toBe(2);
    expect(await run(['--network=moon', '.'], build)).toBe(2);
    expect(build).not.toHaveBeenCalled();
    expect(stderr).not.toMatch(/ at /);
  });

  it('aborts the build on SIGTERM, waits for it, and exits 130', async () => {
    let cleanedUp = false;
    const status = await run(['-q', '.'], async (_request, { signal }) => {
      process.emit('SIGTERM');
      await new Promise((resolve) => setTimeout(resolve, 10));
      cleanedUp = true;
      signal?.throwIfAborted();
    });
    expect([status, cleanedUp, stderr]).toEqual([130, true, 'error: interrupted\n']);
    expect(process.listenerCount('SIGTERM')).toBe(0);
  });

  it('says which file it cannot write', async () => {
    expect(await run(['-q', '--iidfile', join(folder, 'no/iid'), '.'])).toBe(1);
    expect(stderr).toMatch(/--iidfile: cannot write .*no\/iid: ENOENT/);
  });
});
