/** Go's filepath.Match as a regular expression over a whole path; undefined for a pattern that Go calls malformed. */
export function compileGoMatch(pattern: string): RegExp | undefined {
  const characters = [...pattern];
  let source = '';
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] as string;
    if (character === '*') source += '[^/]*';
    else if (character === '?') source += '[^/]';
    else if (character === '[') {
      const found = characterClass(characters, at);
      if (found === undefined) return undefined;
      source += found.source;
      at = found.end;
    } else if (character === '\\') {
      const escaped = characters[++at];
      if (escaped === undefined) return undefined;
      source += literalCharacter(escaped);
    } else source += literalCharacter(character);
  }
  return new RegExp(`^${source}$`, 'su');
}

/**
 * The class (`[a-z]`, `[^x]`) whose `[` is at `start`, for a regular expression with the flag `u`; `end` is the index of its
 * `]`. A range whose ends stand the wrong way round matches nothing. Undefined for a malformed one.
 */
function characterClass(
  characters: readonly string[],
  start: number,
): { readonly source: string; readonly end: number } | undefined {
  let at = start + 1;
  const isNegated = characters[at] === '^';
  if (isNegated) at++;
  let members = '';
  for (let count = 0; characters[at] !== ']' || count === 0; count++) {
    const low = readMember(characters, at);
    if (low === undefined) return undefined;
    at = low.next;
    let high = low;
    if (characters[at] === '-') {
      const found = readMember(characters, at + 1);
      if (found === undefined) return undefined;
      high = found;
      at = high.next;
    }
    if (low.code <= high.code) members += `\\u{${low.code.toString(16)}}-\\u{${high.code.toString(16)}}`;
  }
  return { source: `[${isNegated ? '^' : ''}${members}]`, end: at };
}

/** One character that stands for itself, for a regular expression with the flag `u`. */
function literalCharacter(character: string): string {
  return `\\u{${(character.codePointAt(0) as number).toString(16)}}`;
}

function readMember(characters: readonly string[], start: number): { code: number; next: number } | undefined {
  let at = start;
  if (characters[at] === '-' || characters[at] === ']') return undefined;
  if (characters[at] === '\\') at++;
  const code = characters[at]?.codePointAt(0);
  return code === undefined || at + 1 >= characters.length ? undefined : { code, next: at + 1 };
}
