/** Longest word that suggestions are looked for; a longer one is not a typing error. */
const LONGEST = 64;
const FARTHEST = 2;

/**
 * The candidate that was probably meant: the nearest within two edits (insert, delete, replace, swap neighbours), the first of equally near ones.
 * Case is ignored. Undefined when nothing is near, or when a candidate equals the word (then the word is not what is wrong).
 */
export function suggest(word: string, candidates: Iterable<string>): string | undefined {
  if (word === '' || word.length > LONGEST) return undefined;
  const wanted = word.toLowerCase();
  let nearest: string | undefined;
  let distance = FARTHEST + 1;
  for (const candidate of candidates) {
    if (candidate === word) return undefined;
    const found = editDistance(wanted, candidate.toLowerCase(), { swap: 1 });
    if (found < distance && found < word.length) [nearest, distance] = [candidate, found];
  }
  return nearest;
}

/**
 * How many edits (insert, delete, replace) make one word of the other, where two neighbours that changed places cost `swap`: 2 is
 * Levenshtein's distance. Anything above two may come back as three.
 */
export function editDistance(a: string, b: string, { swap }: { readonly swap: 1 | 2 }): number {
  if (Math.abs(a.length - b.length) > FARTHEST) return FARTHEST + 1;
  let before: readonly number[] = [];
  let row: readonly number[] = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swapped = isSwap ? (before[j - 2] ?? 0) + swap : replaced;
      next.push(Math.min(replaced, swapped, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    [before, row] = [row, next];
  }
  return row[b.length] ?? 0;
}
