import { describe, expect, test } from 'vitest';
import { digestOf } from '../../src/core/digest.ts';
import { hostPlatform } from '../../src/core/platform.ts';
import { parseImageConfig } from '../../src/image/parse-image-config.ts';

const parse = (document: unknown) => parseImageConfig(Buffer.from(JSON.stringify(document)), 'image x');

describe('parseImageConfig', () => {
  test('keeps every field that a child inherits', () => {
    const full = {
      architecture: 'arm',
      os: 'linux',
      variant: 'v7',
      author: 'me',
      created: '2024-01-01T00:00:00Z',
      config: {
        User: 'www',
        WorkingDir: '/srv',
        StopSignal: 'SIGQUIT',
        Env: ['A=1', 'B='],
        Entrypoint: ['/e'],
        Cmd: ['c'],
        OnBuild: ['RUN x'],
        Shell: ['/bin/sh', '-ec'],
        ExposedPorts: { '80/tcp': {} },
        Volumes: { '/data': {} },
        Labels: { l: 'v', empty: '' },
        Healthcheck: { Test: ['CMD', 'x'], Interval: 5_000_000_000, Retries: 3 },
        ArgsEscaped: true,
      },
      history: [{ created: '2024-01-01T00:00:00Z', created_by: 'x', empty_layer: true }, { comment: 'y' }],
      rootfs: { type: 'layers', diff_ids: [digestOf('a')] },
    };
    expect(parse(full)).toEqual(full);
  });

  test('leaves out what is empty or unknown', () => {
    const config = {
      User: '',
      Env: null,
      Cmd: [],
      Labels: {},
      Volumes: null,
      Healthcheck: null,
      Domainname: 'x',
      Tty: false,
    };
    expect(parse({ os: 'linux', architecture: 'amd64', docker_version: '1', container: 'c', config }).config).toEqual(
      {},
    );
    expect(parse({ config: null, history: null, rootfs: null })).toEqual({
      ...hostPlatform(),
      config: {},
      history: [],
      rootfs: { type: 'layers', diff_ids: [] },
    });
  });

  test('keys of JavaScript objects are keys like others', () => {
    const text = '{"os":"linux","config":{"Labels":{"__proto__":"x"},"Volumes":{"__proto__":{}}}}';
    const { config } = parseImageConfig(Buffer.from(text), 'image x');
    expect(Object.entries(config.Labels ?? {})).toEqual([['__proto__', 'x']]);
    expect(Object.keys(config.Volumes ?? {})).toEqual(['__proto__']);
  });

  test.each([
    ['a config that is a list', { config: [] }, '"config" is not an object'],
    ['an Env that is a text', { config: { Env: 'A=1' } }, '"Env" is not an array'],
    ['numbers in Cmd', { config: { Cmd: [1] } }, '"Cmd" holds something that is not a string'],
    ['a user that is a number', { config: { User: 0 } }, '"User" is not a string'],
    ['labels with objects', { config: { Labels: { a: {} } } }, '"Labels" holds something'],
    ['ports in a list', { config: { ExposedPorts: ['80'] } }, '"ExposedPorts" is not an object'],
    ['a negative interval', { config: { Healthcheck: { Interval: -1 } } }, '"Interval" of the health check'],
    ['history that is no list', { history: 'x' }, '"history" is not an array'],
    [
      'a diff id that is a path',
      { rootfs: { diff_ids: ['sha256:../../x'] } },
      '"rootfs.diff_ids" holds "sha256:../../x", expected sha256 digests',
    ],
    ['a diff id that is a list', { rootfs: { diff_ids: [[]] } }, '"rootfs.diff_ids" holds an array'],
    ['an architecture that is a list', { architecture: [] }, '"architecture" is not a string'],
  ])('refuses %s', (_what, document, message) => {
    expect(() => parse(document)).toThrowError(
      expect.objectContaining({
        code: 'SLIPWAY_IMAGE_INVALID',
        message: expect.stringContaining(`image x: ${message}`),
      }),
    );
  });
});
