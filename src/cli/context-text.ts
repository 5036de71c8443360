import type { ContextReport, ContextUse, ReportedFile } from '../context-report.ts';
import { displayPath } from '../core/byte-path.ts';
import { formatBytes } from '../core/format-bytes.ts';
import { printableLine } from '../progress/printable.ts';

const LARGEST = 20;
const SIZE_WIDTH = 10;

/** What `slipway context ls` prints: totals, files by size with who reads them, and what the ignore file keeps out. */
export function contextListing(report: ContextReport, which: 'largest' | 'all'): string {
  const seen = report.files.filter(({ isExcluded }) => !isExcluded);
  const unused = seen.filter(({ usedBy }) => usedBy.length === 0);
  const shown = which === 'all' ? seen : seen.slice(0, LARGEST);
  const lines = [
    `${displayPath(report.folder)}: the build sees ${totals(seen)}`,
    ...(report.dockerfile === undefined
      ? ['there is no Dockerfile, so nothing is known of who reads them']
      : unused.length === 0
        ? []
        : [`${totals(unused)} of it are read by no instruction of ${report.dockerfile}`]),
    '',
    ...shown.map((file) => fileLine(file, report.dockerfile !== undefined)),
    ...(shown.length === seen.length
      ? []
      : [`${''.padStart(SIZE_WIDTH)}  and ${totals(seen.slice(LARGEST))}: --all lists them`]),
    ...excludedLines(report.files),
    ...missingLines(report),
  ];
  return `${lines.map(printableLine).join('\n')}\n`;
}

function fileLine({ size, path, usedBy }: ReportedFile, isKnown: boolean): string {
  const readers = usedBy.map(place).join(', ');
  return `${sized(size)}  ${displayPath(path)}${readers !== '' ? `  (${readers})` : isKnown ? '  (read by nothing)' : ''}`;
}

/** By rule, the one that keeps out most first. */
function excludedLines(files: readonly ReportedFile[]): string[] {
  const byRule = new Map<string, ReportedFile[]>();
  for (const file of files) {
    if (!file.isExcluded || file.rule === undefined) continue;
    const name = `${file.rule.file}:${file.rule.line}  ${file.rule.pattern}`;
    byRule.set(name, [...(byRule.get(name) ?? []), file]);
  }
  if (byRule.size === 0) return [];
  const rows = [...byRule].map(([name, kept]) => ({ name, kept, size: sum(kept) })).sort((a, b) => b.size - a.size);
  return ['', 'kept out:', ...rows.map(({ name, kept, size }) => `${sized(size)}  ${name}  (${count(kept)})`)];
}

function missingLines({ missing }: ContextReport): string[] {
  if (missing.length === 0) return [];
  return ['', 'not there:', ...missing.map((use) => `${''.padStart(SIZE_WIDTH)}  ${use.source}  (${place(use)})`)];
}

/** What `slipway context why FILE` prints of a file. */
export function fileExplanation({ path, size, type, isExcluded, rule, usedBy }: ReportedFile): string {
  const decided = rule === undefined ? 'no rule speaks of it' : `${rule.file}:${rule.line}: ${rule.pattern}`;
  const lines = [
    `${displayPath(path)} (${type === 'file' ? formatBytes(size) : type})`,
    `  ${isExcluded ? 'kept out of the build' : 'seen by the build'}: ${decided}`,
    ...usedBy.map((use) => `  read by ${place(use)}: ${use.instruction}`),
    ...(usedBy.length === 0 && !isExcluded ? ['  read by no instruction'] : []),
  ];
  return `${lines.map(printableLine).join('\n')}\n`;
}

function place({ dockerfile, line }: ContextUse): string {
  return `${dockerfile}:${line}`;
}

function sized(bytes: number): string {
  return formatBytes(bytes).padStart(SIZE_WIDTH);
}

function totals(files: readonly ReportedFile[]): string {
  return `${count(files)}, ${formatBytes(sum(files))}`;
}

function count({ length }: readonly ReportedFile[]): string {
  return length === 1 ? '1 file' : `${length} files`;
}

function sum(files: readonly ReportedFile[]): number {
  return files.reduce((total, { size }) => total + size, 0);
}
