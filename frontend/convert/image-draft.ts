import type { ContainerConfig, HistoryEntry, ImageConfig } from '../../src/core/image-config.ts';
import type { Platform } from '../../src/core/platform.ts';

/** An image config while instructions change it. */
export interface ImageDraft extends Omit<ImageConfig, 'config' | 'history' | 'author'> {
  author: string | undefined;
  config: { -readonly [Key in keyof ContainerConfig]: ContainerConfig[Key] };
  history: HistoryEntry[];
}

const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** What `FROM scratch` begins with. */
export function emptyImage(platform: Platform): ImageConfig {
  const { os, architecture } = platform;
  return {
    architecture,
    os,
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
    ...(platform['os.version'] === undefined ? {} : { 'os.version': platform['os.version'] }),
    ...(platform['os.features'] === undefined ? {} : { 'os.features': platform['os.features'] }),
    config: { Env: os === 'windows' ? [] : [DEFAULT_PATH], WorkingDir: '/' },
    history: [],
    rootfs: { type: 'layers', diff_ids: [] },
  };
}

/** A draft of its own that begins as `image`; when it was created, and its triggers, are not carried over. */
export function draftOf({ created: _created, author, ...image }: ImageConfig): ImageDraft {
  const { OnBuild: _triggers, ...rest } = image.config;
  const config: ImageDraft['config'] = rest;
  const hasPath = config.Env?.some((variable) => variable === 'PATH' || variable.startsWith('PATH='));
  if (image.os !== 'windows' && !hasPath) config.Env = [...(config.Env ?? []), DEFAULT_PATH];
  return { ...image, author, config, history: [...image.history] };
}

/** The finished config. Members that are empty are left out, as Go's `omitempty` does. */
export function finishedImage({ author, config, ...draft }: ImageDraft): ImageConfig {
  const kept = Object.entries(config).filter(([, value]) => !isEmpty(value));
  return { ...(author ? { author } : {}), ...draft, config: Object.fromEntries(kept) };
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === '' || value === false) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}
