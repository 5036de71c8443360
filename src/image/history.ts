import type { HistoryEntry } from '../core/image-config.ts';

export interface HistoryOptions {
  /** When each layer was made, lowest first, milliseconds since 1970; undefined where nobody knows. */
  readonly layerTimes: readonly (number | undefined)[];
  /** What made a layer that no entry stands for, by its index; undefined where nobody knows. */
  readonly nameLayer?: (index: number) => string | undefined;
  /** Milliseconds since 1970: the time of what has no time of its own. */
  readonly now: number;
  /** Seconds since 1970: the time of every entry that this build adds (SOURCE_DATE_EPOCH). */
  readonly epoch?: number;
}

/**
 * The history as it is written: every layer has its entry and every entry its time, by the rules of BuildKit's exporter
 * (normalizeLayersAndHistory and patchImageConfig in exporter/containerimage/writer.go). Entries that have a time come from the base
 * image and keep it.
 */
export function completeHistory(history: readonly HistoryEntry[], options: HistoryOptions): readonly HistoryEntry[] {
  const matched = matchLayers(history, options);
  const timed = fillTimes(layerTimes(matched, options), isoTime(options.now));
  if (options.epoch === undefined) return timed;
  const epoch = isoTime(options.epoch * 1000);
  return timed.map((entry, index) => (history[index]?.created === undefined ? { ...entry, created: epoch } : entry));
}

/** Gives layers without an entry one at the end, and takes entries that stand for a layer too many as empty. */
function matchLayers(history: readonly HistoryEntry[], { layerTimes, nameLayer }: HistoryOptions): HistoryEntry[] {
  const layers = layerTimes.length;
  let used = 0;
  const matched = history.map((entry): HistoryEntry => {
    if (entry.empty_layer) return entry;
    return ++used > layers ? { ...entry, empty_layer: true } : entry;
  });
  for (; used < layers; used++)
    matched.push({
      created_by: nameLayer?.(used) ?? 'created by slipway',
      comment: 'the image had fewer history entries than layers',
    });
  return matched;
}

/** Entries that stand for a layer take the time at which the layer was made. */
function layerTimes(history: readonly HistoryEntry[], options: HistoryOptions): HistoryEntry[] {
  let index = 0;
  return history.map((entry) => {
    if (entry.empty_layer) return entry;
    const createdAt = options.layerTimes[index++] ?? options.now;
    return entry.created === undefined ? { ...entry, created: isoTime(createdAt) } : entry;
  });
}

/** Other entries take the time of the first new layer, or of the layer before them. */
function fillTimes(history: readonly HistoryEntry[], fallback: string): HistoryEntry[] {
  const firstWithout = history.findIndex((entry) => entry.created === undefined);
  if (firstWithout < 0) return [...history];
  const firstNew = history.slice(firstWithout).find((entry) => entry.created !== undefined)?.created;
  let created = firstNew ?? history.findLast((entry) => entry.created !== undefined)?.created ?? fallback;
  return history.map((entry, index) => {
    if (entry.created === undefined) return { ...entry, created };
    if (index > firstWithout) created = entry.created;
    return entry;
  });
}

/** RFC 3339 in UTC, without a fraction where it is zero, as Go writes it. */
export function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace('.000Z', 'Z');
}
