/** Escape sequences of terminals: CSI, OSC with its text, and the short ones (ECMA-48). */
const ESCAPES =
  /\u001b\[[0-?]*[ -/]*[@-~]|\u001b[\]PX^_][^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c)?|\u001b[ -/]*[0-~]?|\u009b[0-?]*[ -/]*[@-~]/g;
/** Control characters but for tab; and those that turn the direction of text around. */
const CONTROLS = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/**
 * One line of foreign text as it may be shown: without terminal escapes, control characters made visible as U+FFFD. A carriage return
 * goes back to the start of the line, as on a terminal, so that only the last state of a progress bar is left.
 */
export function printableLine(line: string): string {
  const shown = line.replace(/\r+$/, '');
  return shown
    .slice(shown.lastIndexOf('\r') + 1)
    .replace(ESCAPES, '')
    .replace(CONTROLS, '\ufffd');
}

/** The same for text of several lines, which stay lines. */
export function printableText(text: string): string {
  return text.split('\n').map(printableLine).join('\n');
}

/** User and password of URLs replaced by `***`: `https://user:pw@host/` is `https://***@host/`. */
export function withoutCredentials(text: string): string {
  return text.replace(/\b([a-z][a-z0-9+.-]{0,20}:\/\/)[^\s/?#]{1,2000}@/gi, '$1***@');
}
