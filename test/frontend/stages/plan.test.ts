import { expect, test } from 'vitest';
import { convert } from '../../../frontend/convert/convert.ts';
import type { FrontendRequest } from '../../../frontend/frontend.ts';
import { type FakeImage, fakeImages, LINUX_AMD64, requestFor } from '../../rig/frontend.ts';

const NEVER = new AbortController().signal;

async function namesOf(text: string, overrides: Partial<FrontendRequest> = {}): Promise<readonly string[]> {
  const { root } = await convert(requestFor(text, overrides), fakeImages(), NEVER);
  const names = new Map<string, string>();
  const visit = (vertex: Exclude<typeof root, 'scratch'>) => {
    for (const input of vertex.inputs) visit(input);
    names.set(vertex.digest, vertex.options.name.replace(/@sha256:.*/, ''));
  };
  if (root !== 'scratch') visit(root);
  return [...names.values()];
}

test('only the images of needed stages are asked for, each once and with its platform', async () => {
  const images = fakeImages({ 'docker.io/library/debian:latest': {} });
  const text = [
    'FROM --platform=linux/arm64 busybox AS tool',
    'FROM unknown AS unused',
    'FROM debian',
    'COPY --from=tool /x /x',
    'COPY --from=debian /y /y',
  ].join('\n');
  await convert(requestFor(text), images, NEVER);
  expect([...images.asked].sort()).toEqual([
    'linux/amd64 docker.io/library/debian:latest',
    'linux/arm64 docker.io/library/busybox:latest',
  ]);
});

test('bases are resolved at the same time', async () => {
  const waiting: (() => void)[] = [];
  const images = fakeImages();
  const together = {
    async resolve(...args: Parameters<typeof images.resolve>) {
      const arrived = new Promise<void>((resolve) => waiting.push(resolve));
      if (waiting.length === 2) for (const go of waiting) go();
      await arrived;
      return images.resolve(...args);
    },
  };
  await convert(requestFor('FROM busybox:1 AS a\nFROM busybox:2\nCOPY --from=a / /\n'), together, NEVER);
  expect(images.asked).toHaveLength(2);
});

test('a failing base is reported after all others have answered', async () => {
  let answered = 0;
  const images = fakeImages();
  const slow = {
    async resolve(...args: Parameters<typeof images.resolve>) {
      if (args[0].includes('busybox')) await new Promise((resolve) => setTimeout(resolve, 20));
      answered++;
      return images.resolve(...args);
    },
  };
  const text = 'FROM missing AS a\nFROM busybox\nCOPY --from=a / /\n';
  await expect(convert(requestFor(text), slow, NEVER)).rejects.toMatchObject({
    code: 'SLIPWAY_IMAGE_NOT_FOUND',
    source: { range: { startLine: 1 } },
  });
  expect(answered).toBe(2);
});

test('triggers that name new images, in stages and in images, are resolved until none is left', async () => {
  const chained: Readonly<Record<string, FakeImage>> = {
    'registry.test/a:latest': { config: { OnBuild: ['COPY --from=registry.test/b /b /b'] } },
    'registry.test/b:latest': { config: { OnBuild: ['RUN never'] } },
    'registry.test/c:latest': {},
  };
  const images = fakeImages(chained);
  const text = 'FROM registry.test/a AS a\nONBUILD COPY --from=registry.test/c /c /c\nFROM a\n';
  const { config } = await convert(requestFor(text), images, NEVER);
  expect(images.asked.map((asked) => asked.split(' ')[1]).sort()).toEqual([
    'registry.test/a:latest',
    'registry.test/b:latest',
    'registry.test/c:latest',
  ]);
  expect(config.history.map((entry) => entry.created_by)).toEqual(['COPY /b /b # buildkit', 'COPY /c /c # buildkit']);
  expect(config.config.OnBuild).toBeUndefined();
});

test.each([
  ['FROM busybox', "FROM isn't allowed as an ONBUILD trigger"],
  ['RUN a\nRUN b', 'onbuild trigger should be a single expression'],
  ['NONSENSE x', 'unknown instruction: NONSENSE'],
])('a base whose trigger is %j is refused, at its FROM', async (trigger, message) => {
  const images = fakeImages({ 'registry.test/bad:latest': { config: { OnBuild: [trigger] } } });
  const building = convert(requestFor('# a comment\nFROM registry.test/bad\n'), images, NEVER);
  await expect(building).rejects.toMatchObject({
    message: expect.stringContaining(message),
    source: { range: { startLine: 2 } },
  });
});

test.each([
  ['First', '[first 2/2] RUN one'],
  ['SECOND', '[second 2/2] RUN two'],
  ['', '[second 2/2] RUN two'],
  [undefined, '[second 2/2] RUN two'],
])('the target %j ends with %s', async (target, last) => {
  const text = 'FROM busybox AS first\nRUN one\nFROM busybox AS second\nRUN two\n';
  expect((await namesOf(text, target === undefined ? {} : { target })).at(-1)).toBe(last);
});

test('stages without a name are numbered, and a lonely one has no name', async () => {
  expect(await namesOf('FROM busybox\nRUN x\n')).toEqual([
    '[1/2] FROM docker.io/library/busybox:latest',
    '[2/2] RUN x',
  ]);
  expect((await namesOf('FROM busybox\nFROM busybox\nRUN x\n')).at(-1)).toBe('[stage-1 2/2] RUN x');
  expect((await namesOf('FROM busybox\nRUN --mount=type=tmpfs,target=/t x\n')).at(-1)).toContain('[stage-0 2/2] RUN');
});

test('of two stages of one name, FROM takes the one above and COPY the last', async () => {
  const names = await namesOf(
    'FROM busybox:1 AS dup\nFROM dup AS mid\nRUN x\nFROM busybox:2 AS dup\nFROM scratch\nCOPY --from=dup /a /\nCOPY --from=mid /b /\n',
  );
  expect(names.filter((name) => name.includes('FROM docker'))).toEqual([
    '[dup 1/1] FROM docker.io/library/busybox:2',
    '[dup 1/1] FROM docker.io/library/busybox:1',
  ]);
});

test('a context named after a stage stands in for it, also for stages above', async () => {
  const contexts = { later: { kind: 'local' } } as const;
  const names = await namesOf('FROM busybox\nCOPY --from=later /x /x\nFROM missing AS later\nRUN never\nFROM 0\n', {
    contexts,
  }).catch((error: Error) => error.message);
  expect(names).toContain('docker.io/library/0:latest: not found');
  const text = 'FROM busybox AS first\nCOPY --from=later /x /x\nFROM missing AS later\nRUN never\n';
  expect(await namesOf(text, { contexts, target: 'first' })).toContain('[context later] load from client');
});

test('a context may be for one platform only', async () => {
  const contexts = {
    'tool::linux/arm64': { kind: 'image', ref: 'busybox:arm' },
    tool: { kind: 'image', ref: 'busybox:any' },
  } as const;
  const images = fakeImages();
  await convert(
    requestFor('FROM --platform=linux/arm64 tool AS a\nFROM tool\nCOPY --from=a / /\n', { contexts }),
    images,
    NEVER,
  );
  expect([...images.asked].sort()).toEqual([
    'linux/amd64 docker.io/library/busybox:any',
    'linux/arm64 docker.io/library/busybox:arm',
  ]);
});

test('a context of another target begins with its result', async () => {
  const base = await convert(requestFor('FROM busybox\nLABEL made=there\nRUN x\n'), fakeImages(), NEVER);
  const { config } = await convert(
    requestFor('FROM base\nRUN y\n', { contexts: { base: { kind: 'target', name: 't' } }, targets: { t: base } }),
    fakeImages(),
    NEVER,
  );
  expect(config.config.Labels).toEqual({ made: 'there' });
  expect(config.history).toHaveLength(4);
});

test('platform arguments are predefined, and build arguments override them', async () => {
  const text = 'FROM busybox\nARG TARGETPLATFORM BUILDARCH TARGETSTAGE\nRUN x\n';
  const overrides = { platform: { os: 'linux', architecture: 'arm', variant: 'v7' }, buildPlatform: LINUX_AMD64 };
  const first = await convert(requestFor(text, overrides), fakeImages(), NEVER);
  expect(first.config.history.at(-1)?.created_by).toContain(
    '|3 TARGETPLATFORM=linux/arm/v7 BUILDARCH=amd64 TARGETSTAGE=default',
  );
  const second = await convert(
    requestFor(text, { ...overrides, buildArgs: { BUILDARCH: 'mine' } }),
    fakeImages(),
    NEVER,
  );
  expect(second.config.history.at(-1)?.created_by).toContain('BUILDARCH=mine');
});
