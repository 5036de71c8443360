import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { attemptConversion } from '../../../frontend/convert/convert.ts';
import type { FrontendRequest } from '../../../frontend/frontend.ts';
import { requestFor, unknownImages } from '../../rig/frontend.ts';
import { mutate, randomFrom } from '../parser/dockerfile-mutations.ts';

/** `FUZZ_RUNS=100000 FUZZ_SEED=7` for more than a check of what is known. */
const RUNS = Number(process.env.FUZZ_RUNS ?? 2000);
const SEED = Number(process.env.FUZZ_SEED ?? 1);

const TEXTS = ['parser', 'convert'].flatMap((kind) => {
  const folder = new URL(`../../../fixtures/${kind}/`, import.meta.url);
  return readdirSync(folder).map((name) => readFileSync(new URL(`${name}/Dockerfile`, folder), 'utf8'));
});

const IMAGES = unknownImages({
  config: { Env: ['PATH=/bin', 'A=base', 'X'], User: 'u', WorkingDir: '/w', Cmd: ['c'], Labels: { a: 'b' } },
  triggers: [['RUN trigger $A'], ['COPY --from=0 /a /b', 'ENV T=$A'], ['COPY . .', 'FROM'], ['ONBUILD RUN a'], ['<<E']],
});

const REQUESTS: readonly Partial<FrontendRequest>[] = [
  {},
  { target: 'a', buildArgs: { A: 'given', X: '', HTTP_PROXY: 'proxy' } },
  { contexts: { base: { kind: 'local' }, busybox: { kind: 'image', ref: 'other' } }, noCache: 'all' },
  { implicitPlatform: false, platform: { os: 'linux', architecture: 'arm64' }, labels: { a: 'flag' } },
  { buildArgs: { SOURCE_DATE_EPOCH: '5', BUILDKIT_DOCKERFILE_CHECK: 'error=true' }, multiPlatform: true },
];

test('every text is converted or refused', { timeout: RUNS * 20 + 20_000 }, async () => {
  const random = randomFrom(SEED);
  const outcomes = { converted: 0, refused: 0 };
  for (let run = 0; run < RUNS; run++) {
    const text = mutate(TEXTS[Math.floor(random() * TEXTS.length)] ?? '', random);
    const overrides = REQUESTS[Math.floor(random() * REQUESTS.length)] ?? {};
    outcomes[await convertOrRefuse(text, overrides)]++;
  }
  expect(outcomes.converted).toBeGreaterThan(RUNS / 50);
  expect(outcomes.refused).toBeGreaterThan(RUNS / 50);
});

/** Throws for a failure that is no SlipwayError, and for one that tells nothing. */
async function convertOrRefuse(text: string, overrides: Partial<FrontendRequest>): Promise<'converted' | 'refused'> {
  try {
    const conversion = await attemptConversion(requestFor(text, overrides), IMAGES, new AbortController().signal);
    if (!('error' in conversion)) return 'converted';
    for (const { message } of [conversion.error, ...conversion.error.others]) expect(message).not.toBe('');
    return 'refused';
  } catch (cause) {
    throw new Error(`neither converted nor refused: ${JSON.stringify({ text, overrides })}`, { cause });
  }
}
