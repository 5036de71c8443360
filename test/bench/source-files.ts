import { mkdirSync, writeFileSync } from 'node:fs';

/** Words that compress about as source code does. */
const WORDS = Array.from({ length: 3000 }, (_, index) =>
  Math.imul(index + 1, 0x9e3779b1)
    .toString(36)
    .slice(-6),
);

/** Numbers that are the same in every run. */
export function pseudoRandom(): (below: number) => number {
  let state = 1;
  return (below) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >>> 8) % below;
  };
}

/** Writes `count` files of 0.2 to 6 kB in folders of a hundred. */
export function writeSourceFiles(root: string, count: number): void {
  const next = pseudoRandom();
  for (let index = 0; index < count; index++) {
    const folder = `${root}/pkg${Math.floor(index / 1000)}/dir${Math.floor(index / 100) % 10}`;
    if (index % 100 === 0) mkdirSync(folder, { recursive: true });
    const words = Array.from({ length: 30 + next(830) }, () => WORDS[next(next(2) === 0 ? 40 : WORDS.length)]);
    writeFileSync(`${folder}/file${index}.ts`, words.join(' '));
  }
}

/** Writes `count` files of `megabytes`, of which every fourth is noise and the others words. */
export function writeLargeFiles(root: string, count: number, megabytes: number): void {
  const next = pseudoRandom();
  mkdirSync(root, { recursive: true });
  for (let index = 0; index < count; index++) {
    const parts = Array.from({ length: megabytes }, (_, number) => (number % 4 === 0 ? noise(next) : text(next)));
    writeFileSync(`${root}/file${index}`, Buffer.concat(parts));
  }
}

const MEGABYTE = 1024 * 1024;

function noise(next: (below: number) => number): Buffer {
  return Buffer.from(Uint16Array.from({ length: MEGABYTE / 2 }, () => next(0x10000)).buffer);
}

function text(next: (below: number) => number): Buffer {
  const words = Array.from({ length: MEGABYTE / 5 }, () => WORDS[next(WORDS.length)]);
  return Buffer.from(words.join(' ')).subarray(0, MEGABYTE);
}
