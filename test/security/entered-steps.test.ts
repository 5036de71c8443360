import { expect, it } from 'vitest';
import { enterStep } from '../../solver/ops/exec/enter-step.ts';
import type { Executor } from '../../src/core/executor.ts';
import { silentProgress } from '../../src/core/progress.ts';
import { addLayer, openLayerRig } from '../rig/layers.ts';

const HARMLESS = {
  args: ['/bin/sh', '-c', 'false'],
  env: [],
  cwd: '/',
  user: '',
  hostname: 'buildkitsandbox',
  network: 'none',
  security: 'sandbox',
  extraHosts: [],
  ulimits: [],
  devices: [],
} as const;

const context = { signal: new AbortController().signal, progress: silentProgress };

/** Enters a step in a root that has a shell; the result says what process was started. */
async function enter(process: object, entitlements: readonly string[]): Promise<string[]> {
  using rig = openLayerRig();
  const stack = [
    addLayer(rig.layers, { '/': { folder: true }, '/bin': { folder: true }, '/bin/sh': { text: '', mode: 0o755 } }),
  ];
  const started: string[] = [];
  const executor: Executor = {
    name: 'fake',
    run: () => Promise.reject(new Error('not to be run')),
    runInTerminal: async ({ args, network, security }) => void started.push(`${args} ${network} ${security}`),
  };
  const services = { layers: rig.layers, executor: async () => executor, entitlements, terminalType: 'xterm' };
  await enterStep({ stack, process: { ...HARMLESS, ...process }, mounts: [] }, services, context);
  return started;
}

it.each<[string, object, string[]]>([
  ['an insecure step', { security: 'insecure' }, ['security.insecure']],
  ['a step on the network of the host', { network: 'host' }, ['network.host']],
  ['a step with a device', { devices: ['vendor.com/gpu=0'] }, ['device=vendor.com/gpu=0']],
])('CVE-2024-23653: %s is entered only by who allows it, as it was run', async (_what, process, allowed) => {
  await expect(enter(process, [])).rejects.toMatchObject({ code: 'SLIPWAY_ENTITLEMENT_MISSING' });
  expect(await enter(process, allowed)).toHaveLength(1);
});

it('GHSA-7236-3392-c5c6: a step whose record was forged with an unknown mode is not entered at all', async () => {
  await expect(enter({ security: 'none' }, ['security.insecure'])).rejects.toThrow('unknown mode "none"');
  await expect(enter({ network: '__proto__' }, ['network.host'])).rejects.toThrow('unknown mode');
  expect(await enter({}, [])).toEqual(['/bin/sh none sandbox']);
});
