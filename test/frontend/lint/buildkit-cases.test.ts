import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { checkDockerfile } from '../../../frontend/convert/check.ts';
import { attemptConversion } from '../../../frontend/convert/convert.ts';
import type { FrontendRequest, LintWarning } from '../../../frontend/frontend.ts';
import { RULES } from '../../../frontend/lint/rules.ts';
import { compileIgnorePatterns, parseIgnoreFile } from '../../../src/core/ignore-patterns.ts';
import { fakeImages, requestFor } from '../../rig/frontend.ts';

/** A case of frontend/dockerfile/dockerfile_check_test.go of BuildKit; findings are line, rule and message. */
interface LintCase {
  readonly name: string;
  readonly dockerfile: string;
  readonly ignore?: string;
  readonly buildArgs?: Readonly<Record<string, string>>;
  readonly target?: string;
  /** What a build warns of. */
  readonly build: readonly Finding[];
  /** What a check of all stages warns of, where it differs. */
  readonly check?: readonly Finding[];
  readonly error?: string;
}

type Finding = readonly [line: number, rule: string, message: string];

const { rules, cases } = JSON.parse(readFileSync('fixtures/lint/buildkit-cases.json', 'utf8')) as {
  readonly rules: Readonly<Record<string, { readonly description: string; readonly url: string }>>;
  readonly cases: readonly LintCase[];
};

const NEVER = new AbortController().signal;

function requestOf({ dockerfile, ignore, buildArgs = {}, target }: LintCase): FrontendRequest {
  const request = requestFor(dockerfile, { buildArgs, ...(target === undefined ? {} : { target }) });
  if (ignore === undefined) return request;
  const lines = parseIgnoreFile(ignore);
  const patterns = compileIgnorePatterns(lines, '.dockerignore');
  return {
    ...request,
    contextIgnore: {
      patterns: lines.map((line) => line.pattern),
      excludes: (path) => patterns.match(path as Parameters<typeof patterns.match>[0]).isExcluded,
    },
  };
}

function findings(warnings: readonly LintWarning[]): readonly Finding[] {
  return warnings
    .map(({ rule, message, source }): Finding => [source.range.startLine, rule, message])
    .sort((a, b) => a[0] - b[0] || (a[2] < b[2] ? -1 : 1));
}

function sorted(expected: readonly Finding[]): readonly Finding[] {
  return [...expected].sort((a, b) => a[0] - b[0] || (a[2] < b[2] ? -1 : 1));
}

test.each(cases)('a check of $name finds what BuildKit finds', async (lintCase) => {
  const { warnings, error } = await checkDockerfile(requestOf(lintCase), fakeImages(), NEVER);
  expect(findings(warnings)).toEqual(sorted(lintCase.check ?? lintCase.build));
  if (lintCase.error === undefined) expect(error?.message).toBeUndefined();
  else expect(error?.message).toContain(lintCase.error);
});

test.each(cases)('a build of $name warns of what BuildKit warns of, also where it fails', async (lintCase) => {
  const { warnings } = await attemptConversion(requestOf(lintCase), fakeImages(), NEVER);
  expect(findings(warnings)).toEqual(sorted(lintCase.build));
});

test.each(Object.entries(rules))('the rule %s is described and linked as in BuildKit', (name, expected) => {
  const { description, url } = RULES[name as keyof typeof RULES];
  expect({ description, url }).toEqual(expected);
});
