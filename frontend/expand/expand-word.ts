import { SlipwayError } from '../../src/core/errors.ts';
import { isSpace } from '../parser/whitespace.ts';
import {
  parseShellPattern,
  replaceAll,
  replaceFirst,
  type ShellPattern,
  trimPrefix,
  trimSuffix,
} from './shell-pattern.ts';

/** The value of a variable; undefined where it is not set. */
export type VariableLookup = (name: string) => string | undefined;

/** How BuildKit's shell lexer is set for different texts. Instructions' words take the defaults. */
export interface ExpandOptions {
  /** The Dockerfile's escape character. */
  readonly escape: string;
  /** `strip` (default) takes quotes off, `keep` leaves them in the result, `literal` sees nothing special in them (heredoc bodies). */
  readonly quotes?: 'strip' | 'keep' | 'literal';
  /** Whether the escape character stays before what it escapes. */
  readonly escapes?: 'strip' | 'keep';
  /** Whether the name of an unset variable is left as it is written, rather than replaced by nothing. */
  readonly unset?: 'empty' | 'keep';
}

export interface Expansion {
  readonly text: string;
  /** Variables that were asked for and found, or not found. */
  readonly matched: ReadonlySet<string>;
  readonly unmatched: ReadonlySet<string>;
}

const SPECIAL = /[$'"\ufeff]/;
const NONE: ReadonlySet<string> = new Set();
const DEEPEST = 250;
const LONGEST = 16 * 1024 * 1024;

/**
 * A word with quotes taken off and variables replaced: `$name`, `${name}` and `${name<modifier>word}` with the modifiers `:-` `-` `:+`
 * `+` `:?` `?` `#` `##` `%` `%%` `/` `//`. Throws SlipwayError for unclosed quotes and braces, unknown modifiers, and `?`.
 */
export function expandWord(word: string, env: VariableLookup, options: ExpandOptions): Expansion {
  if (!SPECIAL.test(word) && !word.includes(options.escape)) return { text: word, matched: NONE, unmatched: NONE };
  const lexer = new ShellLexer(word, env, options);
  const text = lexer.run();
  return { text, matched: lexer.matched, unmatched: lexer.unmatched };
}

/** As expandWord, then cut at spaces that are neither quoted nor escaped, as BuildKit's ProcessWords does it; empty words vanish. */
export function expandWords(text: string, env: VariableLookup, options: ExpandOptions): readonly string[] {
  const words = new Words();
  new ShellLexer(text, env, options).run(words);
  return words.all();
}

/** The words of a text as they are cut at unquoted spaces: what a variable holds is cut, what quotes hold is not. */
class Words {
  readonly #done: string[] = [];
  #current = '';

  addRaw(text: string): void {
    this.#current += text;
  }

  add(text: string): void {
    for (const char of text) {
      if (!isSpace(char)) this.#current += char;
      else this.#end();
    }
  }

  /** Drops the word that has begun. */
  forget(): void {
    this.#current = '';
  }

  all(): readonly string[] {
    this.#end();
    return this.#done;
  }

  #end(): void {
    if (this.#current !== '') this.#done.push(this.#current);
    this.#current = '';
  }
}

/** One pass over one text; `at` is the place of the next character. */
class ShellLexer {
  readonly matched = new Set<string>();
  readonly unmatched = new Set<string>();
  readonly #source: string;
  readonly #env: VariableLookup;
  readonly #escape: string;
  readonly #quotes: 'strip' | 'keep' | 'literal';
  readonly #unset: 'empty' | 'keep';
  #keepEscapes: boolean;
  #at: number;
  #depth = 0;
  #produced = 0;
  #words: Words | undefined;

  constructor(source: string, env: VariableLookup, options: ExpandOptions) {
    this.#source = source;
    this.#env = env;
    this.#escape = options.escape;
    this.#quotes = options.quotes ?? 'strip';
    this.#unset = options.unset ?? 'empty';
    this.#keepEscapes = options.escapes === 'keep';
    this.#at = source.startsWith('\ufeff') ? 1 : 0;
  }

  /** The text as a whole; `words` takes it as it is cut. */
  run(words?: Words): string {
    let text = '';
    this.#words = words;
    for (let char = this.#peek(); char !== ''; char = this.#peek()) text += this.#piece(char, words);
    return text;
  }

  /** The next character, empty at the end. */
  #peek(): string {
    const code = this.#source.codePointAt(this.#at);
    return code === undefined ? '' : String.fromCodePoint(code);
  }

  #next(): string {
    const char = this.#peek();
    this.#at += char.length;
    return char;
  }

  /**
   * The text up to `stop`, which is passed over. BuildKit collects words in one buffer, which it empties here: of `80${PORT:-81}` cut into
   * words, only what the variable gives is left.
   */
  #until(stop: '}' | '/', keepEscapes: boolean): string {
    if (++this.#depth > DEEPEST) this.#fail(`variables are nested deeper than ${DEEPEST} levels`);
    this.#words?.forget();
    const outer = this.#keepEscapes;
    this.#keepEscapes = keepEscapes;
    let text = '';
    for (let char = this.#peek(); char !== stop; char = this.#peek()) {
      if (char === '') this.#fail(`syntax error: missing '${stop}'`);
      text += this.#piece(char, undefined);
    }
    this.#next();
    this.#keepEscapes = outer;
    this.#depth--;
    return text;
  }

  /** What comes next: a variable, a quoted string, an escaped character or a plain one. */
  #piece(char: string, words: Words | undefined): string {
    if (char === '$') {
      const value = this.#dollar();
      words?.add(value);
      return value;
    }
    if ((char === "'" || char === '"') && this.#quotes !== 'literal') {
      const quoted = char === "'" ? this.#singleQuoted() : this.#doubleQuoted();
      words?.addRaw(quoted);
      return quoted;
    }
    if (char === '<') {
      const operator = this.#angle();
      words?.addRaw(operator);
      return operator;
    }
    this.#next();
    if (char !== this.#escape) {
      words?.add(char);
      return char;
    }
    const escaped = (this.#keepEscapes ? char : '') + this.#next();
    words?.addRaw(escaped);
    return escaped;
  }

  /** Nothing is special between single quotes. */
  #singleQuoted(): string {
    const start = this.#at;
    const end = this.#source.indexOf("'", start + 1);
    if (end === -1) this.#fail('unexpected end of statement while looking for matching single-quote');
    this.#at = end + 1;
    return this.#quotes === 'keep' ? this.#source.slice(start, end + 1) : this.#source.slice(start + 1, end);
  }

  /** Between double quotes `$` keeps its meaning, and the escape character escapes `"`, `$` and itself. */
  #doubleQuoted(): string {
    const quote = this.#quotes === 'keep' ? '"' : '';
    let text = quote;
    this.#next();
    for (let char = this.#peek(); char !== '"'; char = this.#peek()) {
      if (char === '') this.#fail('unexpected end of statement while looking for matching double-quote');
      if (char === '$') text += this.#dollar();
      else if (this.#next() === this.#escape) text += this.#escapedInQuotes();
      else text += char;
    }
    this.#next();
    return text + quote;
  }

  #escapedInQuotes(): string {
    const char = this.#peek();
    const kept = this.#keepEscapes ? this.#escape : '';
    if (char === '') return kept;
    return kept + (char === '"' || char === '$' || char === this.#escape ? this.#next() : this.#escape);
  }

  /** `<<` takes the blanks after it into its word, as a heredoc's delimiter may follow them. */
  #angle(): string {
    const start = this.#at;
    this.#next();
    if (this.#peek() !== '<') return '<';
    this.#next();
    for (let char = this.#peek(); char === ' ' || char === '\t' || char === '\r'; char = this.#peek()) this.#next();
    return this.#source.slice(start, this.#at);
  }

  #dollar(): string {
    this.#next();
    if (this.#peek() === '{') return this.#braces();
    const name = this.#name();
    if (name === '') return '$';
    return this.#value(name) ?? (this.#unset === 'keep' ? `$${name}` : '');
  }

  #braces(): string {
    this.#next();
    const first = this.#peek();
    if (first === '') this.#fail("syntax error: missing '}'");
    if (first === '{' || first === '}' || first === ':') this.#fail('syntax error: bad substitution');
    const name = this.#name();
    const operator = this.#next();
    switch (operator) {
      case '':
        return this.#fail("syntax error: missing '}'");
      case '}':
        return this.#value(name) ?? (this.#unset === 'keep' ? `\${${name}}` : '');
      case ':':
      case '+':
      case '-':
      case '?':
      case '#':
      case '%':
        return this.#modified(name, operator === ':' ? `:${this.#next()}` : operator);
      case '/':
        return this.#replaced(name);
      default:
        return this.#fail(`unsupported modifier (${operator}) in substitution`);
    }
  }

  #modified(name: string, operator: string): string {
    if (!/^(?::?[-+?]|[#%])$/.test(operator)) this.#fail(`unsupported modifier (${operator}) in substitution`);
    const word = this.#until('}', operator === '#' || operator === '%');
    const value = this.#value(name);
    if (value === undefined && this.#unset === 'keep') return `\${${name}${operator}${word}}`;
    const isGiven = value !== undefined && !(operator.startsWith(':') && value === '');
    switch (operator.at(-1)) {
      case '-':
        return isGiven ? value : word;
      case '+':
        return isGiven ? word : '';
      case '?':
        return isGiven ? value : this.#missing(name, value, word);
      default:
        return this.#trimmed(operator, word, value ?? '');
    }
  }

  #trimmed(operator: string, word: string, value: string): string {
    const isLongest = word.startsWith(operator);
    const pattern = this.#pattern(isLongest ? word.slice(1) : word);
    return (operator === '#' ? trimPrefix : trimSuffix)(pattern, value, isLongest ? 'longest' : 'shortest');
  }

  #replaced(name: string): string {
    const isAll = this.#peek() === '/';
    if (isAll) this.#next();
    const pattern = this.#until('/', true);
    const replacement = this.#until('}', true);
    const value = this.#value(name);
    if (value === undefined && this.#unset === 'keep') return `\${${name}/${pattern}/${replacement}}`;
    return this.#count((isAll ? replaceAll : replaceFirst)(this.#pattern(pattern), value ?? '', replacement));
  }

  #pattern(text: string): ShellPattern {
    const pattern = parseShellPattern(text);
    return 'problem' in pattern ? this.#fail(pattern.problem) : pattern;
  }

  #missing(name: string, value: string | undefined, message: string): never {
    const why = message || `is not allowed to be ${value === undefined ? 'unset' : 'empty'}`;
    throw new SlipwayError('SLIPWAY_VARIABLE_REQUIRED', `failed to process ${this.#quoted()}: ${name}: ${why}`, {
      hint: `set it with --build-arg ${name}=…, or give it a value in the Dockerfile`,
    });
  }

  /** Letters, digits and `_`; or digits alone; or one of the shell's special parameters; or nothing. */
  #name(): string {
    NAME.lastIndex = this.#at;
    const name = NAME.exec(this.#source)?.[0] ?? '';
    this.#at += name.length;
    return name;
  }

  #value(name: string): string | undefined {
    const value = this.#env(name);
    (value === undefined ? this.unmatched : this.matched).add(name);
    return value === undefined ? undefined : this.#count(value);
  }

  #count(value: string): string {
    this.#produced += value.length;
    if (this.#produced > LONGEST)
      throw new SlipwayError(
        'SLIPWAY_VARIABLE_INVALID',
        `failed to process ${this.#quoted()}: it expands to more than ${LONGEST} characters`,
      );
    return value;
  }

  #fail(message: string): never {
    throw new SlipwayError('SLIPWAY_VARIABLE_INVALID', `failed to process ${this.#quoted()}: ${message}`);
  }

  #quoted(): string {
    return JSON.stringify(this.#source.length > 200 ? `${this.#source.slice(0, 200)}…` : this.#source);
  }
}

const NAME = /\p{Nd}+|[@*#?\-$!]|[\p{L}_][\p{L}\p{Nd}_]*/uy;
