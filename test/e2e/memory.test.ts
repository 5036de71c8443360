import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openRig, type SlipwayRig } from '../rig/slipway.ts';
import { isRoot } from '../rig/users.ts';

const FEW = 10_000;
const MANY = 100_000;
/** What a file may cost: a third of it is what the design says, the rest is for garbage, which V8 lets grow until the heap is large. */
const BYTES_A_FILE = 1500;

/** Appends the most memory that the process had, in kB. */
const NOTE_PEAK = `process.on('exit', () =>
  require('node:fs').appendFileSync(process.env.PEAK_FILE, process.resourceUsage().maxRSS + '\\n'));`;

describe('memory', () => {
  let rig: SlipwayRig;

  beforeAll(() => {
    rig = openRig(isRoot() ? 'root' : 'ordinary user');
    writeFileSync(`${rig.folder}/note-peak.cjs`, NOTE_PEAK);
  });
  afterAll(() => rig[Symbol.dispose]());

  it.each([
    ['COPY of a context', 'COPY files /files', []],
    ['ADD of an archive', 'ADD files.tar /files', ['-C', 'files', '-cf', 'files.tar', '.']],
  ])('grows by less than 1500 bytes a file: %s', async (_way, instruction, packing) => {
    const peaks: number[] = [];
    for (const count of [FEW, MANY]) {
      const context = rig.context({ Dockerfile: `FROM scratch\n${instruction}\n` });
      writeSmallFiles(`${context}/files`, count);
      if (packing.length > 0) {
        execFileSync('tar', packing, { cwd: context });
        rmSync(`${context}/files`, { recursive: true });
      }
      peaks.push(await peakOf(context));
      rmSync(context, { recursive: true });
    }
    const [few = 0, many = 0] = peaks;
    expect(few).toBeGreaterThan(0);
    expect((many - few) / (MANY - FEW)).toBeLessThan(BYTES_A_FILE);
  });

  /** In bytes, of the largest process of a build that has nothing in its cache. */
  async function peakOf(context: string): Promise<number> {
    const file = `${context}.peaks`;
    writeFileSync(file, '', { mode: 0o666 });
    const env = { PEAK_FILE: file, NODE_OPTIONS: `--require=${rig.folder}/note-peak.cjs` };
    await rig.build(['-q', '-o', `type=oci,dest=${context}/image.tar`, context], { env });
    const peaks = readFileSync(file, 'utf8').trim().split('\n').map(Number);
    return Math.max(...peaks) * 1024;
  }
});

function writeSmallFiles(root: string, count: number): void {
  for (let index = 0; index < count; index++) {
    const folder = `${root}/folder${Math.floor(index / 100)}`;
    if (index % 100 === 0) mkdirSync(folder, { recursive: true });
    writeFileSync(`${folder}/file${index}`, `${index}\n`);
  }
}
