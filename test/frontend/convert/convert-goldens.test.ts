import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { convert } from '../../../frontend/convert/convert.ts';
import type { Definition, FrontendRequest } from '../../../frontend/frontend.ts';
import type { Vertex } from '../../../solver/vertex.ts';
import { SlipwayError } from '../../../src/core/errors.ts';
import { type FakeImage, fakeImages, requestFor } from '../../rig/frontend.ts';

/** Dockerfiles, what is set besides, and the graph and config that they come to; `UPDATE_GOLDENS=1` writes those anew. */
const FIXTURES = new URL('../../../fixtures/convert/', import.meta.url);

const IMAGES: Readonly<Record<string, FakeImage>> = {
  'registry.test/onbuild:latest': {
    config: { Env: ['PATH=/bin'], OnBuild: ['COPY . /app/', 'RUN --mount=from=busybox:mounted,target=/m make'] },
  },
  'registry.test/full:latest': {
    author: 'somebody',
    config: {
      User: 'www-data',
      ExposedPorts: { '80/tcp': {} },
      Env: ['PATH=/bin', 'BASE=1'],
      Entrypoint: ['/base-entry'],
      Cmd: ['base-cmd'],
      Volumes: { '/data': {} },
      WorkingDir: '/srv/base',
      Labels: { base: 'one', kept: 'yes' },
      StopSignal: 'SIGQUIT',
      Shell: ['/bin/ash', '-c'],
      Healthcheck: { Test: ['NONE'] },
    },
    history: [{ created: '2025-01-01T00:00:00Z', created_by: 'base', author: 'somebody' }],
    layerCount: 2,
  },
  'registry.test/empty:latest': { config: { Env: ['A=1'] }, layerCount: 0 },
  'oci-layout:///store:v1': {},
};

test.each(readdirSync(FIXTURES).sort())('%s converts as its golden says', async (name) => {
  const folder = new URL(`${name}/`, FIXTURES);
  const golden = new URL('result.json', folder);
  const settings = new URL('request.json', folder);
  const overrides = existsSync(settings)
    ? (JSON.parse(readFileSync(settings, 'utf8')) as Partial<FrontendRequest>)
    : {};
  const result = await outcome(requestFor(readFileSync(new URL('Dockerfile', folder), 'utf8'), overrides));
  const text = `${JSON.stringify(result, undefined, 1)}\n`;
  if (process.env.UPDATE_GOLDENS === '1') writeFileSync(golden, text);
  expect(existsSync(golden) ? readFileSync(golden, 'utf8') : '').toBe(text);
});

async function outcome(request: FrontendRequest): Promise<unknown> {
  try {
    return described(await convert(request, fakeImages(IMAGES), new AbortController().signal));
  } catch (error) {
    if (!(error instanceof SlipwayError)) throw error;
    const { code, message, hint, source } = error;
    return { error: { code, message, hint, lines: source === undefined ? undefined : lines(source.range) } };
  }
}

/** The graph as a list, every vertex after its inputs, which are named by their places. */
function described({ root, config, warnings, platform, epoch }: Definition): unknown {
  const places = new Map<string, number>();
  const vertices: unknown[] = [];
  const visit = (vertex: Vertex): number => {
    const known = places.get(vertex.digest);
    if (known !== undefined) return known;
    const inputs = vertex.inputs.map(visit);
    const { name, stage, source, ignoreCache } = vertex.options;
    const at = source === undefined ? undefined : lines(source.range);
    const op =
      vertex.op.kind === 'image' ? { ...vertex.op, manifest: undefined, layers: vertex.op.layers.length } : vertex.op;
    const place = vertices.push({ name, stage, lines: at, ignoreCache, inputs, op }) - 1;
    places.set(vertex.digest, place);
    return place;
  };
  const result = root === 'scratch' ? 'scratch' : visit(root);
  return {
    vertices,
    root: result,
    config: { ...config, rootfs: config.rootfs.diff_ids.length },
    platform,
    epoch,
    warnings: warnings.map(({ rule, message, source }) => `${lines(source.range)} ${rule}: ${message}`),
  };
}

function lines({ startLine, endLine }: { readonly startLine: number; readonly endLine: number }): string {
  return `${startLine}-${endLine}`;
}
