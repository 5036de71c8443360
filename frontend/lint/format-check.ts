import type { SourceExcerpt, SourceRange } from '../../src/core/errors.ts';
import type { CheckResult } from '../convert/check.ts';
import type { LintWarning } from '../frontend.ts';

/** The findings of a check as text, laid out as BuildKit's client does. The error of one that failed is not among them. */
export function formatCheck({ warnings, error }: CheckResult): string {
  if (warnings.length === 0) return error === undefined ? 'Check complete, no warnings found.\n' : '';
  const count = warnings.length === 1 ? '1 warning has' : `${warnings.length} warnings have`;
  const sorted = [...warnings].sort((a, b) => a.source.range.startLine - b.source.range.startLine);
  return `Check complete, ${count} been found!\n${sorted.map(formatWarning).join('')}`;
}

function formatWarning({ rule, url, message, source }: LintWarning): string {
  return `\nWARNING: ${rule}${url === '' ? '' : ` - ${url}`}\n${message}\n${formatExcerpt(source)}`;
}

/** The lines around a place: four more than its own, or two where it has several. */
function formatExcerpt({ range, text }: SourceExcerpt): string {
  const lines = text.split('\n');
  if (range.startLine < 1 || range.startLine > lines.length) return '';
  let [start, end] = [range.startLine, Math.min(range.endLine, lines.length)];
  const wanted = start === end ? 4 : 2;
  for (let added = 0; added < wanted; added++) {
    if (start > 1) {
      start--;
      added++;
    }
    if (end !== lines.length) {
      end++;
      added++;
    }
  }
  const rows = lines.slice(start - 1, end).map((line, index) => {
    const number = start + index;
    const mark = number >= range.startLine && number <= range.endLine ? '>>>' : '   ';
    return ` ${String(number).padStart(3)} | ${mark} ${line}\n`;
  });
  const rule = `${'-'.repeat(20)}\n`;
  return `${range.file}:${range.startLine}\n${rule}${rows.join('')}${rule}`;
}

/** The result of a check in BuildKit's structure (`frontend/subrequests/lint`), in the order in which things were found. */
export function checkJson(
  dockerfile: { readonly name: string; readonly text: string },
  { warnings, error }: CheckResult,
): unknown {
  const data = Buffer.from(dockerfile.text).toString('base64');
  return {
    warnings:
      warnings.length === 0
        ? null
        : warnings.map(({ rule, description, url, message, source }) => ({
            ruleName: rule,
            description,
            url,
            detail: message,
            location: locationJson(source.range),
          })),
    sources: [{ filename: dockerfile.name, data, language: 'Dockerfile' }],
    ...(error === undefined
      ? {}
      : {
          buildError: {
            message: error.message,
            ...(error.source === undefined ? {} : { location: locationJson(error.source.range) }),
          },
        }),
  };
}

/** A place in BuildKit's structure (`pb.Location`). */
export function locationJson({ startLine, endLine }: Pick<SourceRange, 'startLine' | 'endLine'>): unknown {
  return { ranges: [{ start: { line: startLine }, end: { line: endLine } }] };
}
