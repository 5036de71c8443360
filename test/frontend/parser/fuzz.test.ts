import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { expandWord, expandWords } from '../../../frontend/expand/expand-word.ts';
import type { Instruction } from '../../../frontend/instructions/instruction.ts';
import { parseRunMount } from '../../../frontend/instructions/run-mount.ts';
import { parseDockerfile, parseTrigger } from '../../../frontend/parser/parse-dockerfile.ts';
import { SlipwayError } from '../../../src/core/errors.ts';
import { mutate, randomFrom } from './dockerfile-mutations.ts';

/** `FUZZ_RUNS=1000000 FUZZ_SEED=7` for more than a check of what is known. */
const RUNS = Number(process.env.FUZZ_RUNS ?? 4000);
const SEED = Number(process.env.FUZZ_SEED ?? 1);

const FIXTURES = new URL('../../../fixtures/parser/', import.meta.url);
const TEXTS = readdirSync(FIXTURES).map((name) => readFileSync(new URL(`${name}/Dockerfile`, FIXTURES), 'utf8'));
const VARIABLES = new Map([
  ['A', 'a/b.c.d'],
  ['X', ''],
  ['PATH', '/bin:/usr/bin'],
]);

test('every text is read or refused, and its words expand or are refused', { timeout: RUNS * 10 + 10_000 }, () => {
  const random = randomFrom(SEED);
  let accepted = 0;
  for (let run = 0; run < RUNS; run++) {
    const text = mutate(TEXTS[Math.floor(random() * TEXTS.length)] ?? '', random);
    if (isRefused(() => exercise(text), text) === false) accepted++;
  }
  expect(accepted).toBeGreaterThan(RUNS / 10);
});

/** Throws for any failure that is not a SlipwayError with a message. */
function isRefused(run: () => void, text: string): boolean {
  try {
    run();
    return false;
  } catch (error) {
    if (error instanceof SlipwayError && error.message !== '') return true;
    throw new Error(`not refused but failed: ${JSON.stringify(text)}`, { cause: error });
  }
}

function exercise(text: string): void {
  const { instructions, escape: escapeToken } = parseDockerfile('Dockerfile', text);
  for (const instruction of instructions) {
    const word = JSON.stringify(instruction).slice(0, 500);
    isRefused(() => expandAll(instruction.original, escapeToken), text);
    isRefused(() => expandAll(word, escapeToken), text);
    isRefused(() => expandDeep(instruction, instruction.original), text);
  }
}

function expandAll(word: string, escapeToken: string): void {
  const lookup = (name: string) => VARIABLES.get(name);
  expandWord(word, lookup, { escape: escapeToken });
  expandWords(word, lookup, { escape: escapeToken, quotes: 'keep', unset: 'keep' });
}

function expandDeep(instruction: Instruction, original: string): void {
  if (instruction.kind === 'run')
    for (const { written } of instruction.mounts) parseRunMount(written, (value) => value);
  const origin = { range: instruction.range, text: original };
  if (instruction.kind === 'onbuild') parseTrigger(instruction.expression, origin);
}
