import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { temporaryNameFor } from '../../src/export/temporary-name.ts';

const MODULE = join(import.meta.dirname, '../../src/export/temporary-name.ts');

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-temporary-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('a temporary name', () => {
  it('lies beside its target and is another each time', () => {
    const first = temporaryNameFor(join(folder, 'image.tar'));
    expect(first).toMatch(new RegExp(`^${folder}/\\.image\\.tar\\.[0-9a-f.-]+\\.tmp$`));
    expect(temporaryNameFor(join(folder, 'image.tar'))).not.toBe(first);
  });

  it('fits into a folder however long the name of its target is', () => {
    writeFileSync(temporaryNameFor(join(folder, '\u{1f6a2}'.repeat(60))), '');
  });

  it('is given before there is a folder', () => {
    expect(temporaryNameFor(join(folder, 'not/there/image.tar'))).toContain('/not/there/.image.tar.');
  });

  it('takes the place of what a dead process left for the same target, and of nothing else', () => {
    const script = `const { temporaryNameFor } = await import(process.argv[1]);
      for (const name of ['image.tar', 'image.tar.gz']) console.log(temporaryNameFor(process.argv[2] + '/' + name));`;
    const args = ['--input-type=module', '-e', script, MODULE, folder];
    const abandoned = spawnSync(process.execPath, args, { encoding: 'utf8' }).stdout.trim().split('\n');
    const living = temporaryNameFor(join(folder, 'image.tar'));
    const foreign = join(folder, '.image.tar.abc.tmp');
    for (const path of [...abandoned, living, foreign]) writeFileSync(path, '');
    temporaryNameFor(join(folder, 'image.tar'));
    const kept = [abandoned[1], living, foreign].map((path) => `${path}`.slice(folder.length + 1));
    expect(readdirSync(folder).sort()).toEqual(kept.sort());
  });
});
