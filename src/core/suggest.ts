/** Longest word that suggestions are looked for; a longer one is not a typing error. */
const LONGEST = 64;
const FARTHEST = 2;

/**
 * The candidate that was probably meant: the nearest within two edits (insert, delete, replace), the first of equally near ones.
 * Case is ignored. Undefined when nothing is near, or when a candidate equals the word (then the word is not what is wrong).
 */
export function suggest(word: string, candidates: Iterable<string>): string | undefined {
  if (word === '' || word.length > LONGEST) return undefined;
  const wanted = word.toLowerCase();
  let nearest: string | undefined;
  let distance = FARTHEST + 1;
  for (const candidate of candidates) {
    if (candidate === word) return undefined;
    const found = editDistance(wanted, candidate.toLowerCase());
    if (found < distance && found < Math.max(word.length, 2)) [nearest, distance] = [candidate, found];
  }
  return nearest;
}

/** Levenshtein's distance; anything above two may come back as three. */
function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > FARTHEST) return FARTHEST + 1;
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
