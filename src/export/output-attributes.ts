import { SlipwayError } from '../core/errors.ts';

/** The attributes of one `--output`, each read once with its type; `finish` refuses what nobody read. */
export class OutputAttributes {
  readonly #type: string;
  readonly #attributes: ReadonlyMap<string, string>;
  readonly #known = new Set<string>();

  constructor(type: string, attributes: Readonly<Record<string, string>>) {
    this.#type = type;
    this.#attributes = new Map(Object.entries(attributes));
  }

  text(name: string): string | undefined {
    this.#known.add(name);
    return this.#attributes.get(name);
  }

  /** One of `values`. */
  choice<Value extends string>(name: string, values: readonly Value[]): Value | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = values.find((one) => one === text);
    if (value === undefined) throw this.invalid(name, `expected one of ${values.join(', ')}, got "${text}"`);
    return value;
  }

  /** True or false in the words of Go's strconv.ParseBool; nothing behind the equals sign is true. */
  flag(name: string): boolean | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    if (text === '' || /^(1|t|T|TRUE|true|True)$/.test(text)) return true;
    if (/^(0|f|F|FALSE|false|False)$/.test(text)) return false;
    throw this.invalid(name, `expected true or false, got "${text}"`);
  }

  /** A whole number within the bounds. */
  integer(name: string, low: number, high: number): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = Number(text);
    if (/^-?\d+$/.test(text) && value >= low && value <= high) return value;
    throw this.invalid(name, `expected a whole number from ${low} to ${high}, got "${text}"`);
  }

  /** All attributes that `read` takes, of a family whose names cannot be listed; `shape` stands for them in messages. */
  family<Item>(shape: string, read: (name: string, value: string) => Item | undefined): Item[] {
    const items: Item[] = [];
    for (const [name, value] of this.#attributes) {
      const item = read(name, value);
      if (item === undefined) continue;
      this.#known.add(name);
      items.push(item);
    }
    this.#shapes.push(shape);
    return items;
  }

  readonly #shapes: string[] = [];

  /** Attributes that BuildKit has and slipway has not: an error that says so, unless the value asks for nothing. */
  unsupported(name: string, why: string): void {
    const text = this.text(name);
    if (text === undefined || /^(0|f|false)$/i.test(text)) return;
    throw new SlipwayError('SLIPWAY_OPTION_UNSUPPORTED', `--output type=${this.#type}: "${name}=${text}": ${why}`);
  }

  /** Call when everything was read. */
  finish(): void {
    for (const name of this.#attributes.keys()) {
      if (this.#known.has(name)) continue;
      const known = [...this.#known, ...this.#shapes].sort().join(', ');
      throw new SlipwayError('SLIPWAY_OPTION_INVALID', `--output type=${this.#type}: unknown attribute "${name}"`, {
        hint: known === '' ? 'this type takes no attributes' : `this type knows: ${known}`,
      });
    }
  }

  invalid(name: string, problem: string): SlipwayError {
    return new SlipwayError('SLIPWAY_OPTION_INVALID', `--output type=${this.#type}: ${name}: ${problem}`);
  }
}
