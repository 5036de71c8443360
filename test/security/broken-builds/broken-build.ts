/** One hole, made on purpose, and the test that has to notice it. */
export interface BrokenBuild {
  /** Id of the row of threats, as it stands in test/security/README.md. */
  readonly threat: string;
  /** What the broken slipway does, in words. */
  readonly breaks: string;
  readonly patches: readonly Patch[];
  /** Path of the test file below `test/`. */
  readonly file: string;
  /** A regular expression over the tests' whole names: one rung is enough, and takes less time. */
  readonly tests: string;
}

/** A replacement in a file of the project. `search` stands there exactly once. */
export interface Patch {
  readonly file: string;
  readonly search: string;
  readonly replace: string;
}

/** The text with the patch applied. Throws where what is searched for is not there, or more than once. */
export function applyPatch(text: string, { file, search, replace }: Patch): string {
  const count = text.split(search).length - 1;
  if (count !== 1) throw new Error(`${file} has ${count} places like this, not one: ${search}`);
  return text.replace(search, () => replace);
}
