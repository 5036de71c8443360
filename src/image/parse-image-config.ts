import { type DiffID, isDigest } from '../core/digest.ts';
import { SlipwayError } from '../core/errors.ts';
import type { ContainerConfig, HealthConfig, HistoryEntry, ImageConfig } from '../core/image-config.ts';
import {
  type Complaint,
  countOf,
  type JsonObject,
  listOf,
  objectOf,
  parseJson,
  shownJson,
  textMapOf,
  textOf,
  textsOf,
} from '../core/json-shape.ts';
import { hostPlatform } from '../core/platform.ts';

/** No image config may be larger, in bytes. */
export const MAX_CONFIG_BYTES = 8 * 1024 * 1024;

/**
 * Reads an image config that came from outside (OCI image spec, config.md, with docker's extensions). Members that are empty
 * or unknown are left out, as BuildKit leaves them out of what it builds on. `where` starts the messages of SLIPWAY_IMAGE_INVALID.
 */
export function parseImageConfig(bytes: Uint8Array, where: string): ImageConfig {
  const complain: Complaint = (problem) => new SlipwayError('SLIPWAY_IMAGE_INVALID', `${where}: ${problem}`);
  if (bytes.byteLength > MAX_CONFIG_BYTES) throw complain(`the image config has more than ${MAX_CONFIG_BYTES} bytes`);
  const document = objectOf(parseJson(bytes, complain), 'the image config', complain);
  const host = hostPlatform();
  const features = textsOf(document['os.features'], '"os.features"', complain);
  return {
    architecture: textOf(document.architecture, '"architecture"', complain) || host.architecture,
    os: textOf(document.os, '"os"', complain) || host.os,
    ...texts(document, ['variant', 'os.version', 'author', 'created'], complain),
    ...(features.length > 0 ? { 'os.features': features } : {}),
    config: containerConfig(optionalObject(document.config, '"config"', complain), complain),
    history: listOf(document.history, '"history"', complain).map((entry) => historyEntry(entry, complain)),
    rootfs: { type: 'layers', diff_ids: diffIds(document.rootfs, complain) },
  };
}

function optionalObject(value: unknown, name: string, complain: Complaint): JsonObject {
  return value === undefined || value === null ? {} : objectOf(value, name, complain);
}

function texts<Name extends string>(
  document: JsonObject,
  names: readonly Name[],
  complain: Complaint,
): { readonly [name in Name]?: string } {
  const found: { [name in Name]?: string } = {};
  for (const name of names) {
    const text = textOf(document[name], `"${name}"`, complain);
    if (text) found[name] = text;
  }
  return found;
}

function lists<Name extends string>(
  document: JsonObject,
  names: readonly Name[],
  complain: Complaint,
): { readonly [name in Name]?: readonly string[] } {
  const found: { [name in Name]?: readonly string[] } = {};
  for (const name of names) {
    const list = textsOf(document[name], `"${name}"`, complain);
    if (list.length > 0) found[name] = list;
  }
  return found;
}

/** ExposedPorts and Volumes are sets: objects whose keys count. */
function keySet(
  document: JsonObject,
  name: 'ExposedPorts' | 'Volumes',
  complain: Complaint,
): Pick<ContainerConfig, 'ExposedPorts' | 'Volumes'> {
  const keys = Object.keys(optionalObject(document[name], `"${name}"`, complain));
  return keys.length > 0 ? { [name]: Object.fromEntries(keys.map((key) => [key, {}])) } : {};
}

function containerConfig(document: JsonObject, complain: Complaint): ContainerConfig {
  const labels = textMapOf(document.Labels, '"Labels"', complain);
  const health = document.Healthcheck;
  return {
    ...texts(document, ['User', 'WorkingDir', 'StopSignal'], complain),
    ...lists(document, ['Env', 'Entrypoint', 'Cmd', 'OnBuild', 'Shell'], complain),
    ...keySet(document, 'ExposedPorts', complain),
    ...keySet(document, 'Volumes', complain),
    ...(Object.keys(labels).length > 0 ? { Labels: labels } : {}),
    ...(health === undefined || health === null
      ? {}
      : { Healthcheck: healthConfig(objectOf(health, '"Healthcheck"', complain), complain) }),
    ...(document.ArgsEscaped === true ? { ArgsEscaped: true } : {}),
  };
}

const HEALTH_NUMBERS = ['Interval', 'Timeout', 'StartPeriod', 'StartInterval', 'Retries'] as const;

function healthConfig(document: JsonObject, complain: Complaint): HealthConfig {
  const numbers: { [name in (typeof HEALTH_NUMBERS)[number]]?: number } = {};
  for (const name of HEALTH_NUMBERS) {
    const count = countOf(document[name], `"${name}" of the health check`, complain);
    if (count) numbers[name] = count;
  }
  return { ...lists(document, ['Test'], complain), ...numbers };
}

function historyEntry(value: unknown, complain: Complaint): HistoryEntry {
  const document = objectOf(value, 'a "history" entry', complain);
  return {
    ...texts(document, ['created', 'created_by', 'author', 'comment'], complain),
    ...(document.empty_layer === true ? { empty_layer: true } : {}),
  };
}

function diffIds(value: unknown, complain: Complaint): readonly DiffID[] {
  const rootfs = optionalObject(value, '"rootfs"', complain);
  return listOf(rootfs.diff_ids, '"rootfs.diff_ids"', complain).map((diffId) => {
    if (isDigest(diffId)) return diffId as DiffID;
    throw complain(`"rootfs.diff_ids" holds ${shownJson(diffId)}, expected sha256 digests`);
  });
}
