import { SlipwayError } from '../../src/core/errors.ts';
import { formatPlatform, normalise, type Platform } from '../../src/core/platform.ts';
import { familiarReference, parseReference } from '../../src/core/reference.ts';
import type { NamedContext } from '../frontend.ts';
import type { FoundContext } from './stage.ts';

/** Finds the named context that stands in for an image or a stage, for one platform. */
export type ContextLookup = (name: string, platform: Platform) => FoundContext | undefined;

const NEVER_REPLACED = new Set(['scratch', 'context']);

/**
 * A lookup by docker's familiar names: `docker.io/library/debian:latest` is found as `debian`. `NAME::PLATFORM` is tried before `NAME`.
 * Throws SLIPWAY_CONTEXT_INVALID for a name that no image can have.
 */
export function contextLookup(contexts: Readonly<Record<string, NamedContext>>): ContextLookup {
  const byName = new Map(Object.entries(contexts).map(([name, context]) => [familiar(name), { name, context }]));
  return (name, platform) => {
    if (byName.size === 0 || NEVER_REPLACED.has(name.toLowerCase())) return undefined;
    const short = familiar(name);
    return byName.get(`${short}::${formatPlatform(normalise(platform))}`) ?? byName.get(short);
  };
}

function familiar(name: string): string {
  const [image = '', platform] = name.split('::', 2);
  const short = familiarReference(parsed(image)).replace(/:latest$/, '');
  return platform === undefined ? short : `${short}::${platform}`;
}

function parsed(name: string): ReturnType<typeof parseReference> {
  try {
    return parseReference(name);
  } catch (cause) {
    if (!(cause instanceof SlipwayError)) throw cause;
    throw new SlipwayError('SLIPWAY_CONTEXT_INVALID', `invalid context name ${name}: ${cause.message}`, { cause });
  }
}
