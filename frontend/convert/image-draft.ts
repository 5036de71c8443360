import type { ContainerConfig, HistoryEntry, ImageConfig } from '../../src/core/image-config.ts';
import type { Platform } from '../../src/core/platform.ts';
import { ImageEnvironment } from './image-environment.ts';

/** Members of a config that instructions add to, rather than replace. */
type Collected = 'Env' | 'ExposedPorts' | 'Labels' | 'OnBuild' | 'Volumes';

/** An image config while instructions change it. Collections are a stage's own, so that adding to them costs what is added. */
export interface ImageDraft extends Omit<ImageConfig, 'config' | 'history' | 'author'> {
  author: string | undefined;
  config: { -readonly [Key in keyof ContainerConfig as Exclude<Key, Collected>]: ContainerConfig[Key] };
  readonly env: ImageEnvironment;
  readonly exposedPorts: Set<string>;
  readonly labels: Map<string, string>;
  readonly triggers: string[];
  readonly volumes: Set<string>;
  readonly history: HistoryEntry[];
}

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** What `FROM scratch` begins with. */
export function emptyImage(platform: Platform): ImageConfig {
  const { os, architecture } = platform;
  return {
    architecture,
    os,
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
    ...(platform['os.version'] === undefined ? {} : { 'os.version': platform['os.version'] }),
    ...(platform['os.features'] === undefined ? {} : { 'os.features': platform['os.features'] }),
    config: { Env: os === 'windows' ? [] : [`PATH=${DEFAULT_PATH}`], WorkingDir: '/' },
    history: [],
    rootfs: { type: 'layers', diff_ids: [] },
  };
}

/** A draft of its own that begins as `image`; when it was created, and its triggers, are not carried over. */
export function draftOf({ created: _created, author, ...image }: ImageConfig): ImageDraft {
  const { OnBuild: _triggers, Env, ExposedPorts, Labels, Volumes, ...config } = image.config;
  const env = new ImageEnvironment(Env ?? []);
  if (image.os !== 'windows' && !env.has('PATH')) env.set('PATH', DEFAULT_PATH);
  return {
    ...image,
    author,
    config,
    env,
    exposedPorts: new Set(Object.keys(ExposedPorts ?? {})),
    labels: new Map(Object.entries(Labels ?? {})),
    triggers: [],
    volumes: new Set(Object.keys(Volumes ?? {})),
    history: [...image.history],
  };
}

/** The finished config. Members that are empty are left out, as Go's `omitempty` does, and stand in the order of its struct. */
export function finishedImage(draft: ImageDraft): ImageConfig {
  const { author, config, env, exposedPorts, labels, triggers, volumes, ...rest } = draft;
  const members: ContainerConfig = {
    ...select(config, 'User'),
    ExposedPorts: asSet(exposedPorts),
    Env: env.entries,
    ...select(config, 'Entrypoint', 'Cmd'),
    Volumes: asSet(volumes),
    ...select(config, 'WorkingDir'),
    Labels: Object.fromEntries(labels),
    ...select(config, 'StopSignal', 'Healthcheck', 'ArgsEscaped'),
    OnBuild: triggers,
    ...select(config, 'Shell'),
  };
  const kept = Object.entries(members).filter(([, value]) => !isEmpty(value));
  return { ...(author ? { author } : {}), ...rest, config: Object.fromEntries(kept) };
}

function select<Name extends keyof ImageDraft['config']>(
  config: ImageDraft['config'],
  ...names: readonly Name[]
): Pick<ContainerConfig, Name> {
  return Object.fromEntries(names.map((name) => [name, config[name]])) as Pick<ContainerConfig, Name>;
}

/** A set as Go writes it in JSON: an object whose keys count. */
function asSet(keys: ReadonlySet<string>): Readonly<Record<string, Record<string, never>>> {
  return Object.fromEntries(Array.from(keys, (key) => [key, {}]));
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === '' || value === false) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}
