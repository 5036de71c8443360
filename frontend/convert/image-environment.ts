/** The environment of an image config while ENV changes it: a variable that is set again keeps its place. */
export class ImageEnvironment {
  readonly #entries: string[];
  /** By name; of entries of one name the first counts. */
  readonly #places = new Map<string, number>();

  /** `entries`: as they stand in a config, `NAME=value` or only `NAME`. */
  constructor(entries: readonly string[]) {
    this.#entries = [...entries];
    for (const [place, entry] of entries.entries()) {
      const name = entry.split('=', 1)[0] ?? '';
      if (!this.#places.has(name)) this.#places.set(name, place);
    }
  }

  get entries(): readonly string[] {
    return this.#entries;
  }

  has(name: string): boolean {
    return this.#places.has(name);
  }

  set(name: string, value: string): void {
    const place = this.#places.get(name) ?? this.#entries.length;
    this.#places.set(name, place);
    this.#entries[place] = `${name}=${value}`;
  }
}
