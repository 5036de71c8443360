import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import glob from 'fast-glob';
import { expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '..');
/** Names that are no error codes: settings, and prefixes that codes are put together from. */
const OTHERS = /^SLIPWAY_(ROOT|ISOLATION|OCI_RUNTIME|ROOTLESS_UID|EXPANSION_LIMIT|HEAVY|.*_)$/;

it('lists every error code there is, and no other', () => {
  const sources = glob.sync('{src,frontend,solver,cache}/**/*.ts', { cwd: ROOT });
  const used = new Set<string>();
  for (const file of sources)
    for (const [code] of readFileSync(join(ROOT, file), 'utf8').matchAll(/SLIPWAY_[A-Z_]+/g))
      if (!OTHERS.test(code)) used.add(code);
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const listed = readme.slice(readme.indexOf('## Error codes')).match(/SLIPWAY_[A-Z_]+/g) ?? [];
  expect(listed).toEqual([...used].sort());
});
