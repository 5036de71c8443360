import { expect, test } from 'vitest';
import { attemptConversion } from '../../frontend/convert/convert.ts';
import type { Conversion, FrontendRequest } from '../../frontend/frontend.ts';
import { fakeImages, requestFor } from '../rig/frontend.ts';

function attempt(text: string, overrides: Partial<FrontendRequest> = {}): Promise<Conversion> {
  return attemptConversion(requestFor(text, overrides), fakeImages(), new AbortController().signal);
}

/** Line and message of every problem. */
async function problemsOf(text: string, overrides: Partial<FrontendRequest> = {}) {
  const conversion = await attempt(text, overrides);
  if (!('error' in conversion)) return [];
  const { error } = conversion;
  return [error, ...error.others].map(({ source, message }) => [source?.range.startLine, message]);
}

test('problems of the text and of the plan are told together, in the order of lines', async () => {
  const text = 'FROM busybox AS build\nCOPY --form=x a b\nRUN x\nCOPY --chwn=1 a b\nCOPY --from=7 a b\n';
  expect(await problemsOf(text, { target: 'biuld' })).toEqual([
    [1, 'target stage "biuld" could not be found (did you mean build?)'],
    [2, 'unknown flag: --form'],
    [4, 'unknown flag: --chwn'],
    [5, 'invalid stage index 7 in COPY --from=7'],
  ]);
});

test('what follows from a FROM that cannot be read is not blamed on others', async () => {
  expect(await problemsOf('FROM a b c\nFROM busybox\nCOPY --from=7 a b\n')).toEqual([
    [1, 'FROM requires either one or three arguments'],
  ]);
});

test('problems of different stages and steps are told together', async () => {
  const text = [
    'FROM missing AS a',
    'FROM busybox AS b',
    'EXPOSE x',
    'STOPSIGNAL nope',
    'FROM a AS c',
    'EXPOSE not-reached',
    'FROM busybox',
    'COPY --from=b / /',
    'COPY --from=c --chmod=9 / /',
  ].join('\n');
  expect(await problemsOf(text)).toEqual([
    [1, 'docker.io/library/missing:latest: not found'],
    [3, 'invalid containerPort: x'],
    [4, 'invalid signal: nope'],
    [9, "invalid chmod parameter: '9'. it should be octal string and between 0 and 07777"],
  ]);
});

test('a variable that could not be set hides what uses it', async () => {
  const text = 'FROM busybox\nENV A=${B:?needed}\nEXPOSE ${A}x\nFROM busybox AS other\nCOPY --from=0 / /\nEXPOSE y\n';
  const problems = await problemsOf(text);
  expect(problems.map(([line]) => line)).toEqual([2, 6]);
});

test('a problem that several stages share is told once a line', async () => {
  const text = 'FROM missing AS a\nFROM busybox\nCOPY --from=missing a b\nCOPY --from=missing c d\nCOPY --from=a x y\n';
  expect((await problemsOf(text)).map(([line]) => line)).toEqual([1, 3, 4]);
});

test('a file of nothing but problems tells the first twenty', async () => {
  const text = `FROM busybox\n${'NONSENSE\n'.repeat(1000)}`;
  expect(await problemsOf(text)).toHaveLength(20);
});

test('a build that fails keeps its warnings', async () => {
  const { warnings } = await attempt('FROM busybox AS Upper\nWORKDIR rel\nMAINTAINER me\nEXPOSE x\n');
  expect(warnings.map(({ rule, source }) => [source.range.startLine, rule])).toEqual([
    [1, 'StageNameCasing'],
    [3, 'MaintainerDeprecated'],
    [2, 'WorkdirRelativePath'],
  ]);
});

test.each([
  ['FOO', 'ARG FOO\nFROM busybox\n', []],
  ['FOOO', 'ARG FOO\nFROM busybox\n', [{ name: 'FOOO', meant: 'FOO' }]],
  ['VERSION', 'FROM busybox\nENV VERSION=1\n', [{ name: 'VERSION' }]],
  ['X', 'FROM busybox AS a\nARG X\nFROM busybox\n', []],
  ['TARGETARCH', 'FROM busybox\n', []],
  ['http_proxy', 'FROM busybox\n', []],
  ['BUILDKIT_INLINE_CACHE', 'FROM busybox\n', []],
  ['SOURCE_DATE_EPOCH', 'FROM busybox\n', []],
  ['X', 'FROM busybox\nONBUILD ARG X=1\n', []],
  ['VERSOIN', 'ARG VERSION\nFROM busybox:$VERSION AS $VERSION\n', [{ name: 'VERSOIN', meant: 'VERSION' }]],
])('of the build argument %s, %j leaves %j unused', async (name, text, unused) => {
  expect((await attempt(text, { buildArgs: { [name]: '1' } })).unusedBuildArgs).toEqual(unused);
});

test('an ARG of a trigger uses a build argument', async () => {
  const images = fakeImages({ 'registry.test/base:latest': { config: { OnBuild: ['ARG X'] } } });
  const request = requestFor('FROM registry.test/base\n', { buildArgs: { X: '1' } });
  expect((await attemptConversion(request, images, new AbortController().signal)).unusedBuildArgs).toEqual([]);
});

test.each([
  'docker/dockerfile',
  'docker/dockerfile:1.4-labs',
  `docker.io/docker/dockerfile-upstream:master@sha256:${'a'.repeat(64)}`,
])('# syntax=%s is served', async (image) => {
  expect(await problemsOf(`# syntax=${image} with words\nFROM busybox\n`)).toEqual([]);
});

test('another frontend is refused, whatever the file looks like to this one', async () => {
  const problems = await problemsOf('# escape=`\n# syntax=example.com/buildpacks:1\n[project]\nname = 1\n');
  expect(problems).toEqual([[2, '# syntax=example.com/buildpacks:1 asks for a frontend that slipway does not run']]);
  const argument = { BUILDKIT_SYNTAX: 'docker/other' };
  expect(await problemsOf('# syntax=docker/dockerfile:1\nFROM busybox\n', { buildArgs: argument })).toEqual([
    [undefined, 'the build argument BUILDKIT_SYNTAX=docker/other asks for a frontend that slipway does not run'],
  ]);
});
