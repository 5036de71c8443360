import { expect, test } from 'vitest';
import { parseChmod } from '../../../frontend/convert/chmod.ts';
import { convert } from '../../../frontend/convert/convert.ts';
import { exposedPorts, parsePortSpec } from '../../../frontend/convert/convert-expose.ts';
import { goDuration, goHealthcheck, goQuote } from '../../../frontend/convert/go-format.ts';
import { destinationPath } from '../../../frontend/convert/paths.ts';
import { proxyEnvironment } from '../../../frontend/convert/proxy-environment.ts';
import { isSignal } from '../../../frontend/convert/signals.ts';
import type { FrontendRequest } from '../../../frontend/frontend.ts';
import { type FakeImage, fakeImages, requestFor } from '../../rig/frontend.ts';

const NEVER = new AbortController().signal;

function build(
  text: string,
  overrides: Partial<FrontendRequest> = {},
  images: Readonly<Record<string, FakeImage>> = {},
) {
  return convert(requestFor(text, overrides), fakeImages(images), NEVER);
}

test.each([
  ['0.0.0.0:1234-1235:3333-3334/tcp', ['3333/tcp', '3334/tcp']],
  ['[2001:4860:0:2001::68]::333', ['333/tcp']],
  ['[::1]:80:80', ['80/tcp']],
  ['2001:4860:0:2001::68::333', ['333/tcp']],
  ['::1:80:80', ['80/tcp']],
  ['::::80', ['80/tcp']],
  ['1234/tcp', ['1234/tcp']],
  ['0.0.0.0:3456:3456/SCTP', ['3456/sctp']],
  ['2345-2347:2345-2347/udp', ['2345/udp', '2346/udp', '2347/udp']],
  ['8000-8010:80', ['80/tcp']],
  ['0', ['0/tcp']],
])('EXPOSE %s is %j', (spec, ports) => {
  expect(exposedPorts(parsePortSpec(spec))).toEqual(ports);
});

test.each([
  ['', 'invalid port: "": no port specified'],
  ['0.0.0.0:1234-1235:/tcp', 'invalid port: "0.0.0.0:1234-1235:/tcp": no port specified'],
  ['0.0.0.0:1234-1235:', 'invalid port: "0.0.0.0:1234-1235:": no port specified'],
  ['80/foo', 'invalid port: "80/foo": invalid proto: foo'],
  ['localhost:1234:1234/tcp', 'invalid IP address: localhost'],
  ['65536', 'invalid containerPort: 65536'],
  ['9000-8000', 'invalid containerPort: 9000-8000'],
  ['x:80', 'invalid hostPort: x'],
  ['1-3:80-81', 'invalid ranges specified for container and host Ports: 80-81 and 1-3'],
])('EXPOSE %j is refused in the words of BuildKit', (spec, message) => {
  expect(() => exposedPorts(parsePortSpec(spec))).toThrow(message);
});

test.each([
  ['SIGTERM', true],
  ['term', true],
  ['9', true],
  ['SIGRTMIN+15', true],
  ['RTMAX-14', true],
  ['0', false],
  ['SIGNOPE', false],
  ['RTMIN+16', false],
  ['', false],
])('STOPSIGNAL %j: allowed is %s', (signal, allowed) => {
  expect(isSignal(signal)).toBe(allowed);
});

test.each([
  ['755', 0o755],
  ['07777', 0o7777],
  ['0', 0],
  ['u=rwX,go=rX', 'u=rwX,go=rX'],
  ['a+x', 'a+x'],
  ['=', '='],
])('--chmod=%s is taken', (text, mode) => {
  expect(parseChmod(text)).toBe(mode);
});

test.each(['899', '100000', 'rwxq', 'u', 'u+x,', '8+x'])('--chmod=%s is refused', (text) => {
  expect(() => parseChmod(text)).toThrow('invalid chmod parameter');
});

test.each([
  ['a', '/w', '/w/a'],
  ['a/', '/w', '/w/a/'],
  ['.', '/w', '/w/'],
  ['', '/w', '/w/'],
  ['./sub/.', '/w', '/w/sub/'],
  ['../../..', '/w', '/'],
  ['/', '/w', '/'],
  ['/a/../b/', '/w', '/b/'],
  ['..hidden', '/', '/..hidden'],
])('COPY to %j in %s goes to %s', (written, workdir, path) => {
  expect(destinationPath(written, workdir)).toBe(path);
});

test.each([
  ['plain é ☃', '"plain é ☃"'],
  ['a"b\\c\n\t', '"a\\"b\\\\c\\n\\t"'],
  ['\x00\x7f', '"\\x00\\x7f"'],
  ['\u200b', '"\\u200b"'],
])('history quotes %j as Go does', (text, quoted) => {
  expect(goQuote(text)).toBe(quoted);
});

test.each([
  [0, '0s'],
  [1, '1ns'],
  [1_500, '1.5µs'],
  [20_000_000, '20ms'],
  [1_500_000_000, '1.5s'],
  [90_000_000_000, '1m30s'],
  [7_200_000_000_000, '2h0m0s'],
])('%d nanoseconds are written %s', (nanoseconds, text) => {
  expect(goDuration(nanoseconds)).toBe(text);
});

test('a health check is written into history as BuildKit formats its pointer', () => {
  const health = { Test: ['CMD', 'probe'], Interval: 90_000_000_000, Retries: 7 };
  expect(goHealthcheck(health)).toBe('&{["CMD" "probe"] "1m30s" "0s" "0s" "0s" \'\\a\'}');
  expect(goHealthcheck({ Test: ['NONE'], Retries: 39 })).toBe('&{["NONE"] "0s" "0s" "0s" "0s" \'\\\'\'}');
});

test('of two spellings of a proxy argument the lower-case one counts', () => {
  const given = { ALL_PROXY: 'upper', all_proxy: 'lower', HTTP_PROXY: 'http', FOO: 'bar' };
  expect(proxyEnvironment(given)).toEqual(['HTTP_PROXY=http', 'http_proxy=http', 'ALL_PROXY=lower', 'all_proxy=lower']);
});

test('a stage copied from does not change the labels of the stage that copies', async () => {
  const { config } = await build(
    'FROM scratch AS base\nLABEL marker=base\nFROM base AS sibling\nLABEL marker=sibling\nFROM base\nCOPY --from=sibling / /\n',
  );
  expect(config.config.Labels).toEqual({ marker: 'base' });
});

test('ENV replaces a variable where it stands in the config, and moves it to the end of the environment of RUN', async () => {
  const { config, root } = await build('FROM busybox\nENV A=1 B=2\nENV A=3\nRUN env\n');
  expect(config.config.Env?.slice(1)).toEqual(['A=3', 'B=2']);
  expect(root !== 'scratch' && root.op.kind === 'exec' && root.op.env.slice(1)).toEqual(['B=2', 'A=3']);
});

test('a base without PATH gets the default one', async () => {
  const { config } = await build(
    'FROM registry.test/bare\n',
    {},
    { 'registry.test/bare:latest': { config: { Env: ['A=1'] } } },
  );
  expect(config.config.Env).toEqual(['A=1', 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin']);
});

test('entries that the build adds to history have no time, and the base keeps its own', async () => {
  const { config } = await build('FROM busybox\nRUN x\nLABEL a=b\n');
  expect(config.history).toEqual([
    { created: '2025-01-01T00:00:00Z', created_by: 'BusyBox' },
    { created_by: 'RUN /bin/sh -c x # buildkit', comment: 'buildkit.dockerfile.v0' },
    { created_by: 'LABEL a=b', comment: 'buildkit.dockerfile.v0', empty_layer: true },
  ]);
});

test('an explicit platform is that of the result, an implicit one gives way to the base', async () => {
  const arm = { os: 'linux', architecture: 'arm64' };
  const images = { 'registry.test/arm:latest': { platform: arm } };
  const implicit = await build('FROM --platform=linux/arm64 registry.test/arm\n', {}, images);
  expect([implicit.config.architecture, implicit.platform]).toEqual(['arm64', arm]);
  const explicit = await build('FROM registry.test/arm\n', { implicitPlatform: false }, images);
  expect(explicit.config.architecture).toBe('amd64');
  expect(explicit.warnings.map(({ rule }) => rule)).toEqual(['InvalidBaseImagePlatform']);
});

test('SOURCE_DATE_EPOCH of the environment is a build argument that ARG can see', async () => {
  const { config, epoch } = await build('FROM busybox\nARG SOURCE_DATE_EPOCH\nRUN x\n', { epoch: 1_700_000_000 });
  expect(epoch).toBe(1_700_000_000);
  expect(config.history.at(-1)?.created_by).toBe('RUN |1 SOURCE_DATE_EPOCH=1700000000 /bin/sh -c x # buildkit');
  await expect(build('FROM busybox\n', { buildArgs: { SOURCE_DATE_EPOCH: 'soon' } })).rejects.toThrow(
    'invalid SOURCE_DATE_EPOCH: soon',
  );
});

test('proxy arguments change neither digest nor config nor history', async () => {
  const plain = await build('FROM busybox\nRUN x\n');
  const proxied = await build('FROM busybox\nRUN x\n', { buildArgs: { HTTP_PROXY: 'http://proxy.test' } });
  const digest = ({ root }: typeof plain) => (root === 'scratch' ? root : root.digest);
  expect(digest(proxied)).toBe(digest(plain));
  expect(proxied.config).toEqual(plain.config);
});

test('a linked copy whose owner has a name is a plain one, because the base explains the name', async () => {
  const kindOf = async (chown: string) => {
    const { root } = await build(`FROM busybox\nCOPY --link --chown=${chown} a /a\n`);
    return root === 'scratch' ? undefined : root.op.kind;
  };
  expect(await kindOf('5')).toBe('merge');
  expect(await kindOf('5:6')).toBe('merge');
  expect(await kindOf('app')).toBe('file');
  expect(await kindOf('5:staff')).toBe('file');
});

test('a linked copy has the same layer whatever it is laid on', async () => {
  const layerOf = async (text: string) => {
    const { root } = await build(text);
    return root !== 'scratch' && root.op.kind === 'merge' ? root.inputs[1]?.digest : undefined;
  };
  const first = await layerOf('FROM busybox\nCOPY --link a /a\n');
  expect(first).toBeDefined();
  expect(await layerOf('FROM busybox\nRUN x\nCOPY --link a /a\n')).toBe(first);
});
