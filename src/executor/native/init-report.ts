/** What the init tells of itself, as lines of JSON among whatever else the programs that start it write to its report. */
export type InitReport =
  /** The container is ready; the command is started next. */
  | { readonly event: 'ready' }
  /** The command could not be executed; `code` is execve(2)'s errno. */
  | { readonly event: 'not-executed'; readonly code: string }
  /** The container could not be made. */
  | { readonly event: 'failed'; readonly message: string; readonly code?: string };

/** The last thing that the init said, and everything around it as text. */
export interface ParsedReport {
  readonly last: InitReport | undefined;
  readonly text: string;
}

/** A line in the report. */
export function reportLine(report: InitReport): string {
  return `${JSON.stringify(report)}\n`;
}

/** Only what is written by `reportLine` counts as the init's; a process that was killed may have left half a line. */
export function parseReport(report: string): ParsedReport {
  const [events, text]: [InitReport[], string[]] = [[], []];
  for (const line of report.split('\n')) {
    if (line.startsWith('{"event":') && line.endsWith('}')) events.push(JSON.parse(line) as InitReport);
    else if (line.trim() !== '') text.push(line.trim());
  }
  return { last: events.at(-1), text: text.join('\n') };
}
