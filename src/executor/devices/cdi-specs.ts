import { readdirSync } from 'node:fs';
import { errnoOf, SlipwayError } from '../../core/errors.ts';
import { readUpTo } from '../../core/read-up-to.ts';

/** What a device adds to a container (Container Device Interface, SPEC.md, "containerEdits"). */
export interface ContainerEdits {
  readonly deviceNodes: readonly { readonly path: string; readonly hostPath: string }[];
  readonly mounts: readonly {
    readonly hostPath: string;
    readonly containerPath: string;
    readonly options: readonly string[];
  }[];
  readonly env: readonly string[];
}

/** A device by its full name, `vendor.com/class=name`. */
export interface CdiDevice {
  readonly name: string;
  readonly edits: ContainerEdits;
  /** Of the device and of its specification, whose are the weaker ones. */
  readonly annotations: Readonly<Record<string, unknown>>;
}

/** Where specifications lie; a later folder's devices replace an earlier one's. */
export const CDI_FOLDERS = ['/etc/cdi', '/var/run/cdi'];
const LIMIT_BYTES = 4 * 1024 * 1024;

/** The devices of all JSON specifications in the folders, by name; YAML ones are counted only. `SLIPWAY_CDI_SPEC_INVALID`. */
export function readCdiDevices(folders: readonly string[] = CDI_FOLDERS): {
  readonly devices: ReadonlyMap<string, CdiDevice>;
  readonly unread: readonly string[];
} {
  const paths = folders.flatMap((folder) => namesIn(folder).map((name) => `${folder}/${name}`));
  const devices = paths.filter((path) => path.endsWith('.json')).flatMap(readSpec);
  return {
    devices: new Map(devices.map((device) => [device.name, device])),
    unread: paths.filter((path) => /\.ya?ml$/.test(path)),
  };
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

function readSpec(path: string): CdiDevice[] {
  const bytes = readUpTo(path, LIMIT_BYTES);
  if (bytes === undefined) throw invalid(path, `it has more than ${LIMIT_BYTES} bytes`);
  const spec = objectOf(parse(path, bytes.toString()), path, 'the specification');
  const kind = textOf(spec.kind, path, 'kind');
  const common = editsOf(spec.containerEdits, path);
  const annotationsOf = (value: unknown) => (value === undefined ? {} : objectOf(value, path, 'annotations'));
  return listOf(spec.devices, path, 'devices').map((entry) => {
    const device = objectOf(entry, path, 'a device');
    const edits = editsOf(device.containerEdits, path);
    return {
      name: `${kind}=${textOf(device.name, path, 'name')}`,
      edits: joinEdits([common, edits]),
      annotations: { ...annotationsOf(spec.annotations), ...annotationsOf(device.annotations) },
    };
  });
}

/** All edits together, in their order. */
export function joinEdits(edits: readonly ContainerEdits[]): ContainerEdits {
  return {
    deviceNodes: edits.flatMap(({ deviceNodes }) => deviceNodes),
    mounts: edits.flatMap(({ mounts }) => mounts),
    env: edits.flatMap(({ env }) => env),
  };
}

function editsOf(value: unknown, path: string): ContainerEdits {
  const edits = value === undefined ? {} : objectOf(value, path, 'containerEdits');
  // Programs that a specification wants to be run on this machine are not: without what they do the device would be half there.
  if (listOf(edits.hooks, path, 'hooks').length > 0) throw invalid(path, 'it has hooks, which slipway does not run');
  return {
    deviceNodes: listOf(edits.deviceNodes, path, 'deviceNodes').map((entry) => {
      const node = objectOf(entry, path, 'a device node');
      const place = textOf(node.path, path, 'path');
      return { path: place, hostPath: node.hostPath === undefined ? place : textOf(node.hostPath, path, 'hostPath') };
    }),
    mounts: listOf(edits.mounts, path, 'mounts').map((entry) => {
      const mount = objectOf(entry, path, 'a mount');
      return {
        hostPath: textOf(mount.hostPath, path, 'hostPath'),
        containerPath: textOf(mount.containerPath, path, 'containerPath'),
        options: listOf(mount.options, path, 'options').map((option) => textOf(option, path, 'options')),
      };
    }),
    env: listOf(edits.env, path, 'env').map((variable) => textOf(variable, path, 'env')),
  };
}

function parse(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) throw invalid(path, 'it is no JSON');
    throw error;
  }
}

function objectOf(value: unknown, path: string, what: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw invalid(path, `${what} is no object`);
}

function listOf(value: unknown, path: string, what: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value;
  throw invalid(path, `${what} is no list`);
}

function textOf(value: unknown, path: string, what: string): string {
  if (typeof value === 'string' && value !== '' && !value.includes('\0')) return value;
  throw invalid(path, `${what} is no text`);
}

function invalid(path: string, problem: string): SlipwayError {
  return new SlipwayError('SLIPWAY_CDI_SPEC_INVALID', `the device specification ${path} cannot be used: ${problem}`);
}
