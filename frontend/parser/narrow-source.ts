import { createRequire } from 'node:module';
import type { SlipwayError, SourceExcerpt } from '../../src/core/errors.ts';

/**
 * The lines of the flag that an error is about, where an instruction of several lines has it; else the excerpt as it is.
 *
 * This is dockerfile-ast's part: it keeps the place of every token, which BuildKit's line rules lose when they join lines. It is loaded
 * only here, as only a failing build needs it, and is given one instruction at a time.
 */
export function narrowSource(source: SourceExcerpt, error: SlipwayError): SourceExcerpt {
  const { file, startLine, endLine } = source.range;
  const name = flagOf(error);
  if (name === undefined || startLine === endLine) return source;
  const lines = source.text.split('\n').slice(startLine - 1, endLine);
  const { DockerfileParser } = createRequire(import.meta.url)('dockerfile-ast') as typeof import('dockerfile-ast');
  const [instruction] = DockerfileParser.parse(lines.join('\n')).getInstructions();
  if (instruction === undefined || !('getFlags' in instruction)) return source;
  const flags = (instruction as { getFlags(): import('dockerfile-ast').Flag[] }).getFlags();
  const found = flags
    .filter((flag) => flag.getName() === name)
    .at(-1)
    ?.getRange();
  if (found === undefined) return source;
  return {
    ...source,
    range: { file, startLine: startLine + found.start.line, endLine: startLine + found.end.line },
  };
}

/** The name of the flag that a message is about. Which one of several mounts it is, is not known. */
function flagOf({ code, message }: SlipwayError): string | undefined {
  return code.startsWith('SLIPWAY_FLAG_') ? /--([\w-]+)/.exec(message)?.[1] : undefined;
}
