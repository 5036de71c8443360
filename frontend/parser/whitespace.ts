/** Go's unicode.IsSpace, which BuildKit trims and splits by: JavaScript's white space with U+0085 and without U+FEFF. */
export function isSpace(char: string): boolean {
  const code = char.charCodeAt(0);
  if (code < 0x80) return code === 0x20 || (code >= 9 && code <= 13);
  if (code === 0x85) return true;
  return code !== 0xfeff && /^\s/.test(char);
}

/** The part of it that is ASCII: where BuildKit goes through bytes, a flag ends at no other. */
export function isAsciiSpace(char: string): boolean {
  return char < '\x80' && isSpace(char);
}

/** Go's strings.TrimSpace. */
export function trimSpace(text: string): string {
  return trimSpaceStart(trimSpaceEnd(text));
}

/** Go's strings.TrimLeftFunc(text, unicode.IsSpace). */
export function trimSpaceStart(text: string): string {
  let start = 0;
  while (start < text.length && isSpace(text.charAt(start))) start++;
  return text.slice(start);
}

function trimSpaceEnd(text: string): string {
  let end = text.length;
  while (end > 0 && isSpace(text.charAt(end - 1))) end--;
  return text.slice(0, end);
}

/** The blanks that separate an instruction's keyword and its plain arguments: fewer than Unicode's. */
const BLANKS = /[\t\v\f\r ]+/;

/** The text cut at blanks; a leading or trailing blank gives an empty word there, as Go's Regexp.Split does. */
export function splitAtBlanks(text: string): readonly string[] {
  return text.split(BLANKS);
}

/** What stands before and after the first blanks; `rest` is undefined where there are none. */
export function cutAtBlanks(text: string): { readonly first: string; readonly rest: string | undefined } {
  const found = BLANKS.exec(text);
  if (found === null) return { first: text, rest: undefined };
  return { first: text.slice(0, found.index), rest: text.slice(found.index + found[0].length) };
}
