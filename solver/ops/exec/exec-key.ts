import type { KeyPart } from '../../../cache/records/record-store.ts';
import { digestOfJson } from '../../../src/core/digest.ts';
import { formatPlatform } from '../../../src/core/platform.ts';
import type { CacheMap, InputKey } from '../../solver.ts';
import type { ExecMount, ExecOp, Vertex } from '../../vertex.ts';
import type { OpServices } from '../services.ts';
import { digestMounted, type InputMount, isInputMount } from './mounted-content.ts';

/**
 * What a RUN is known by. The root counts by its definition; what is mounted from elsewhere by its content, because none of it gets
 * into the layer unless the command puts it there. What a cache mount holds, the bytes of secrets, proxies and limits do not count.
 */
export function execCacheMap(op: ExecOp, vertex: Vertex, services: OpServices): CacheMap {
  const { unkeyed: _unkeyed, mounts, ...keyed } = op;
  return {
    digest: digestOfJson({ ...keyed, mounts: mounts.map(shapeOf) }),
    inputs: vertex.inputs.map((_input, index) => inputKey(op, vertex, { index, services })),
    parts: partsOf(op),
  };
}

function inputKey(
  op: ExecOp,
  vertex: Vertex,
  { index, services }: { readonly index: number; readonly services: OpServices },
): InputKey {
  const mounts = op.mounts.filter((mount): mount is InputMount => isInputMount(mount) && mount.input === index);
  if (op.root === index || mounts.length === 0) return { by: 'definition' };
  const input = vertex.inputs[index];
  if (input === undefined) throw new Error(`internal: a RUN mounts input ${index}, which it does not have`);
  return {
    by: 'content',
    digest: (stack, context) => digestMounted({ mounts, input, stack }, services, context.signal),
  };
}

/** A mount as the command sees it. The cache that a target has by default goes without saying, as in BuildKit (checkShouldClearCacheOpts). */
function shapeOf(mount: ExecMount): unknown {
  if (mount.type !== 'cache') return mount;
  const { type, target, input, source, readonly, id, sharing } = mount;
  const isDefault = id === target && sharing === 'shared';
  return { type, target, input, source, readonly, ...(isDefault ? {} : { id, sharing }) };
}

function partsOf(op: ExecOp): KeyPart[] {
  const parts: KeyPart[] = [{ name: 'command', value: JSON.stringify(op.args) }];
  for (const variable of op.env) {
    const equals = variable.indexOf('=');
    parts.push({ name: `env ${variable.slice(0, equals)}`, value: variable.slice(equals + 1) });
  }
  parts.push({ name: 'workdir', value: op.cwd }, { name: 'user', value: op.user });
  parts.push({ name: 'network', value: op.network }, { name: 'security', value: op.security });
  parts.push({ name: 'platform', value: formatPlatform(op.platform) });
  if (op.hostname !== undefined) parts.push({ name: 'hostname', value: op.hostname });
  op.mounts.forEach((mount, index) => {
    parts.push({ name: `mount ${index + 1}`, value: JSON.stringify(shapeOf(mount)) });
  });
  for (const device of op.devices) parts.push({ name: `device ${device.name}`, value: String(device.required) });
  return parts;
}
