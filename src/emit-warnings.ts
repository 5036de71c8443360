import type { LintWarning } from '../frontend/frontend.ts';
import type { ProgressSink } from './core/progress.ts';

/** Tells progress of findings on a Dockerfile: once each, however many platforms found them. */
export function emitWarnings(warnings: readonly LintWarning[], progress: ProgressSink): void {
  const said = new Set<string>();
  for (const { rule, message, description, url, source } of warnings) {
    const { file, startLine } = source.range;
    const identity = `${rule} ${file} ${startLine} ${message}`;
    if (said.has(identity)) continue;
    said.add(identity);
    progress.emit({
      type: 'warning',
      at: Date.now(),
      code: rule,
      message,
      detail: description,
      url,
      file,
      line: startLine,
    });
  }
}
