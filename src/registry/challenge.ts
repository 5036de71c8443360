/** One challenge of a WWW-Authenticate header. Scheme and parameter names are in lower case. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

/**
 * Reads WWW-Authenticate headers (RFC 9110, 11.6.1): several challenges in one header or in several, quoted strings with
 * escapes, token68 forms. What follows a syntax error is dropped; the challenges before it count.
 */
export function parseChallenges(headers: readonly string[]): readonly Challenge[] {
  return headers.flatMap((header) => parseHeader(header));
}

type Token =
  | { readonly kind: 'word'; readonly text: string }
  | { readonly kind: 'quoted'; readonly text: string }
  | { readonly kind: '=' | ',' | 'end' | 'bad' };

const WORD = /[A-Za-z0-9!#$%&'*+.^_`|~-]/;
/** What a token68 may have that a word has not: padding is taken by the parser as `=`. */
const TOKEN68 = /[A-Za-z0-9!#$%&'*+.^_`|~/-]/;

function tokenize(header: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < header.length) {
    const char = header[at] ?? '';
    if (char === ' ' || char === '\t') at++;
    else if (char === ',' || char === '=') {
      tokens.push({ kind: char });
      at++;
    } else if (char === '"') {
      const [text, next] = quotedFrom(header, at + 1);
      tokens.push(text === undefined ? { kind: 'bad' } : { kind: 'quoted', text });
      at = next;
    } else {
      const start = at;
      while (at < header.length && TOKEN68.test(header[at] ?? '')) at++;
      tokens.push(start === at ? { kind: 'bad' } : { kind: 'word', text: header.slice(start, at) });
      if (start === at) at = header.length;
    }
  }
  return tokens;
}

function quotedFrom(header: string, start: number): readonly [text: string | undefined, next: number] {
  let text = '';
  for (let at = start; at < header.length; at++) {
    const char = header[at] ?? '';
    if (char === '"') return [text, at + 1];
    text += char === '\\' ? (header[++at] ?? '') : char;
  }
  return [undefined, header.length];
}

function parseHeader(header: string): readonly Challenge[] {
  const tokens = tokenize(header);
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  const peek = (ahead: number): Token => tokens[at + ahead] ?? { kind: 'end' };
  let at = 0;
  while (at < tokens.length) {
    const token = peek(0);
    if (token.kind === ',') {
      at++;
      continue;
    }
    if (token.kind !== 'word') return challenges;
    const value = peek(2);
    const current = challenges.at(-1);
    if (peek(1).kind === '=' && (value.kind === 'word' || value.kind === 'quoted') && current !== undefined) {
      const name = token.text.toLowerCase();
      // The first of two equal names counts, so that a later one cannot change what was already read.
      if (isWord(token.text) && !current.parameters.has(name)) current.parameters.set(name, value.text);
      at += 3;
    } else if (isWord(token.text) && peek(1).kind !== '=') {
      challenges.push({ scheme: token.text.toLowerCase(), parameters: new Map() });
      at++;
    } else {
      // A token68 with its padding.
      at++;
      while (peek(0).kind === '=') at++;
    }
  }
  return challenges;
}

function isWord(text: string): boolean {
  for (const char of text) if (!WORD.test(char)) return false;
  return true;
}
