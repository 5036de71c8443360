import { SlipwayError } from '../core/errors.ts';
import { formatPlatform, type Platform, parsePlatform, samePlatform } from '../core/platform.ts';

/** Where in an image an annotation stands. */
export type AnnotationTarget = 'manifest' | 'manifest-descriptor' | 'index' | 'index-descriptor';

/** One annotation; `platform` undefined means every platform. */
export interface Annotation {
  readonly target: AnnotationTarget;
  readonly platform?: Platform;
  readonly key: string;
  readonly value: string;
}

const TARGETS: readonly AnnotationTarget[] = ['manifest', 'manifest-descriptor', 'index', 'index-descriptor'];

/** Reads `--annotation [TARGET[PLATFORM],…:]KEY=VALUE`; several targets give several annotations. */
export function parseAnnotation(text: string): readonly Annotation[] {
  const equals = text.indexOf('=');
  if (equals < 0) throw invalid(`"${text}": expected KEY=VALUE`);
  const [left, value] = [text.slice(0, equals), text.slice(equals + 1)];
  const colon = left.indexOf(':');
  if (colon < 0) return [annotation('manifest', undefined, left, value)];
  const key = left.slice(colon + 1);
  return left
    .slice(0, colon)
    .split(',')
    .map((where) => {
      const match = /^([a-z-]+)(?:\[([A-Za-z0-9_/-]+)\])?$/.exec(where);
      if (match === null) throw invalid(`"${where}": expected a target with an optional platform in square brackets`);
      return annotation(match[1] ?? '', match[2], key, value);
    });
}

/** Reads an output attribute `annotation[-TARGET][[PLATFORM]].KEY`; undefined for an attribute that is no annotation. */
export function parseAnnotationAttribute(name: string, value: string): Annotation | undefined {
  if (!name.startsWith('annotation')) return undefined;
  const match = /^annotation(?:-([a-z-]+))?(?:\[([A-Za-z0-9_/-]+)\])?\.(\S+)$/.exec(name);
  return match === null ? undefined : annotation(match[1] ?? 'manifest', match[2], match[3] ?? '', value);
}

function annotation(target: string, platform: string | undefined, key: string, value: string): Annotation {
  const known = TARGETS.find((one) => one === target);
  if (known === undefined) throw invalid(`unknown target "${target}": expected one of ${TARGETS.join(', ')}`);
  if (key === '') throw invalid(`the key before "=${value}" is empty`);
  return { target: known, key, value, ...(platform === undefined ? {} : { platform: parsePlatform(platform) }) };
}

function invalid(message: string): SlipwayError {
  return new SlipwayError('SLIPWAY_OPTION_INVALID', `annotation: ${message}`);
}

/** The annotations of one target for one platform, later ones winning; undefined where there are none. */
export function annotationsOf(
  annotations: readonly Annotation[],
  target: AnnotationTarget,
  platform?: Platform,
): Readonly<Record<string, string>> | undefined {
  const found: Record<string, string> = {};
  for (const one of annotations) {
    if (one.target !== target) continue;
    const applies = one.platform === undefined || platform === undefined || samePlatform(one.platform, platform);
    if (applies) found[one.key] = one.value;
  }
  return Object.keys(found).length === 0 ? undefined : found;
}

/** Refuses annotations that would stand nowhere: for a platform that is not built, or on an index that is not written. */
export function checkAnnotations(annotations: readonly Annotation[], platforms: readonly Platform[]): void {
  for (const { platform, target, key } of annotations) {
    if (platform !== undefined && !platforms.some((built) => samePlatform(built, platform)))
      throw invalid(`"${key}" is for ${formatPlatform(platform)}, which is not built`);
    if (target.startsWith('index') && platforms.length === 1)
      throw invalid(`"${key}" is for an index, but an image of one platform has none`);
  }
}
