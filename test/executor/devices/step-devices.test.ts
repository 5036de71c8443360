import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { machineDevices, stepDevices } from '../../../src/executor/devices/step-devices.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-cdi-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function describeDevices(spec: unknown): void {
  writeFileSync(join(folder, 'spec.json'), typeof spec === 'string' ? spec : JSON.stringify(spec));
}

const device = (name: string, containerEdits: unknown) => ({ name, containerEdits });

describe('devices of a step', () => {
  it('are found by name, or all of a class, with what the specification adds to every device', () => {
    describeDevices({
      kind: 'corp.example/null',
      containerEdits: { env: ['ALL=1'] },
      devices: [
        device('a', { deviceNodes: [{ path: '/dev/a', hostPath: '/dev/null' }] }),
        device('b', {
          deviceNodes: [{ path: '/dev/zero' }],
          mounts: [{ hostPath: '/usr', containerPath: '/u', options: ['ro'] }],
        }),
      ],
    });
    const first = { path: '/dev/a', hostPath: '/dev/null' };
    expect(stepDevices(['corp.example/null=a'], [folder])).toEqual({
      deviceNodes: [first],
      mounts: [],
      env: ['ALL=1'],
    });
    expect(stepDevices(['corp.example/null=*'], [folder])).toMatchObject({
      deviceNodes: [first, { path: '/dev/zero', hostPath: '/dev/zero' }],
      mounts: [{ containerPath: '/u' }],
    });
  });

  it.each([
    ['corp.example/gpu=b', ['corp.example/gpu=b']],
    ['corp.example/gpu', ['corp.example/gpu=a']],
    ['corp.example/gpu=*', ['corp.example/gpu=a', 'corp.example/gpu=b']],
    ['graphics', ['corp.example/gpu=b']],
    ['corp.example/gp', []],
    ['corp.example', []],
    ['', []],
  ])('by the name %j are %j, as in BuildKit', (name, expected) => {
    const graphics = { 'org.mobyproject.buildkit.device.class': 'graphics' };
    const autoAllow = { 'org.mobyproject.buildkit.device.autoallow': 'true' };
    describeDevices({
      kind: 'corp.example/gpu',
      annotations: autoAllow,
      devices: [device('a', {}), { ...device('b', {}), annotations: graphics }],
    });
    const found = machineDevices(name, 'nothing', [folder]);
    expect(found.map((each) => [each.name, each.autoAllow])).toEqual(expected.map((each) => [each, true]));
    const find = () => machineDevices(name, 'fail', [folder]);
    if (expected.length > 0) expect(find()).toEqual(found);
    else expect(find).toThrow(expect.objectContaining({ code: 'SLIPWAY_DEVICE_UNKNOWN' }));
  });

  it('that nothing describes are refused, with those that there are', () => {
    describeDevices({ kind: 'corp.example/x', devices: [device('a', {})] });
    writeFileSync(join(folder, 'other.yaml'), '');
    expect(() => stepDevices(['corp.example/x=b'], [folder, '/nowhere'])).toThrow(
      expect.objectContaining({
        code: 'SLIPWAY_DEVICE_UNKNOWN',
        hint: expect.stringMatching(/corp\.example\/x=a.*other\.yaml/),
      }),
    );
  });

  it.each([
    '{',
    '[]',
    { kind: 5, devices: [] },
    { kind: 'a/b', devices: {} },
    { kind: 'a/b', devices: [device('a', { hooks: [{ hookName: 'createRuntime', path: '/bin/sh' }] })] },
    { kind: 'a/b', devices: [device('a', { deviceNodes: [{}] })] },
  ])('are not read from what is no specification: %j', (spec) => {
    describeDevices(spec);
    expect(() => stepDevices(['a/b=a'], [folder])).toThrow(
      expect.objectContaining({ code: 'SLIPWAY_CDI_SPEC_INVALID' }),
    );
  });

  it('must be devices of this machine', () => {
    for (const path of ['/nowhere', '/etc/passwd']) {
      describeDevices({ kind: 'a/b', devices: [device('a', { deviceNodes: [{ path }] })] });
      expect(() => stepDevices(['a/b=a'], [folder])).toThrow(
        expect.objectContaining({ code: 'SLIPWAY_DEVICE_MISSING' }),
      );
    }
  });

  it('are none for a step that asks for none, whatever lies in the folders', () => {
    describeDevices('{');
    expect(stepDevices([], [folder])).toEqual({ deviceNodes: [], mounts: [], env: [] });
  });
});
