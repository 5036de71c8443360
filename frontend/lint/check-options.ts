import { SlipwayError } from '../../src/core/errors.ts';
import { parseGoBoolean } from '../../src/core/go-literals.ts';

/** What `# check=…` and the build argument BUILDKIT_DOCKERFILE_CHECK say. */
export interface CheckOptions {
  readonly skip: 'all' | ReadonlySet<string>;
  /** Experimental rules to run. */
  readonly experimental: 'all' | ReadonlySet<string>;
  /** Findings fail the build. */
  readonly error: boolean;
}

export const DEFAULT_CHECK_OPTIONS: CheckOptions = { skip: new Set(), experimental: new Set(), error: false };

/** Reads `skip=A,B;experimental=all;error=true`. Throws SLIPWAY_CHECK_INVALID. */
export function parseCheckOptions(text: string): CheckOptions {
  let options = DEFAULT_CHECK_OPTIONS;
  if (text.trim() === '') return options;
  for (const part of text.trim().split(';')) {
    const equals = part.indexOf('=');
    if (equals < 0) throw invalid(`invalid check option ${JSON.stringify(part)}`);
    const key = part.slice(0, equals).trim();
    const value = part.slice(equals + 1).trim();
    if (key === 'skip') options = { ...options, skip: ruleSet(value) };
    else if (key === 'experimental') options = { ...options, experimental: ruleSet(value) };
    else if (key === 'error') options = { ...options, error: boolean(value, part) };
    else throw invalid(`invalid check option ${JSON.stringify(key)}`);
  }
  return options;
}

/** Both together, as a comment above an instruction adds to what holds for the file; `error` stays the file's. */
export function mergeCheckOptions(file: CheckOptions, comment: CheckOptions): CheckOptions {
  return {
    skip: union(file.skip, comment.skip),
    experimental: union(file.experimental, comment.experimental),
    error: file.error,
  };
}

/** The options in a comment `check=skip=RULE` above an instruction; undefined where there are none, or none that can be read. */
export function checkOptionsInComments(comments: readonly string[]): CheckOptions | undefined {
  for (const comment of comments) {
    const value = /^\s*check\s*=\s*(.+?)\s*$/i.exec(comment)?.[1];
    if (value === undefined) continue;
    const [first = ''] = value.split(' ');
    try {
      return parseCheckOptions(first);
    } catch (error) {
      if (error instanceof SlipwayError) return undefined;
      throw error;
    }
  }
  return undefined;
}

function ruleSet(value: string): 'all' | ReadonlySet<string> {
  return value === 'all' ? 'all' : new Set(value.split(',').map((name) => name.trim()));
}

function boolean(value: string, part: string): boolean {
  const read = parseGoBoolean(value);
  if (read !== undefined) return read;
  throw invalid(`failed to parse check option ${JSON.stringify(part)}: expected true or false`);
}

function union(a: 'all' | ReadonlySet<string>, b: 'all' | ReadonlySet<string>): 'all' | ReadonlySet<string> {
  return a === 'all' || b === 'all' ? 'all' : new Set([...a, ...b]);
}

function invalid(why: string): SlipwayError {
  return new SlipwayError('SLIPWAY_CHECK_INVALID', `failed to parse check options: ${why}`, {
    hint: 'checks are set as `skip=RULE,RULE;error=true`, with `skip=all` for none',
  });
}
