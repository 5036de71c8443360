import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseDockerfile } from '../../../frontend/parser/parse-dockerfile.ts';
import { SlipwayError } from '../../../src/core/errors.ts';

/** The Dockerfiles of BuildKit's parser tests and ours, each with what it is read as; `UPDATE_GOLDENS=1` writes that anew. */
const FIXTURES = new URL('../../../fixtures/parser/', import.meta.url);

test.each(readdirSync(FIXTURES).sort())('%s is read as its golden says', (name) => {
  const golden = new URL(`${name}/parsed.json`, FIXTURES);
  const parsed = `${JSON.stringify(read(readFileSync(new URL(`${name}/Dockerfile`, FIXTURES), 'utf8')), undefined, 1)}\n`;
  if (process.env.UPDATE_GOLDENS === '1') writeFileSync(golden, parsed);
  expect(existsSync(golden) ? readFileSync(golden, 'utf8') : '').toBe(parsed);
});

function read(text: string): unknown {
  try {
    const { text: _text, file: _file, instructions, findings, ...head } = parseDockerfile('Dockerfile', text);
    return {
      ...head,
      instructions: instructions.map(({ range, ...instruction }) => ({ lines: lines(range), ...instruction })),
      findings: findings.map(({ range, ...finding }) => ({ lines: lines(range), ...finding })),
    };
  } catch (error) {
    if (!(error instanceof SlipwayError)) throw error;
    return { errors: [error, ...error.others].map(describe) };
  }
}

function describe({ code, message, hint, source }: SlipwayError) {
  return { lines: source === undefined ? undefined : lines(source.range), code, message, hint };
}

function lines({ startLine, endLine }: { readonly startLine: number; readonly endLine: number }): string {
  return `${startLine}-${endLine}`;
}
