/**
 * A file name or path as bytes, one character a byte (latin1), because Linux names are bytes and need not be UTF-8. As a
 * string it can be a map key, compares in byte order, and equals the text itself for ASCII. Convert at the borders only:
 * `toBytePath` for what came as text (a Dockerfile), `hostPath` for a system call.
 */
export type BytePath = string & { readonly __bytePath: never };

const NOT_ASCII = /[^\u0000-\u007f]/;

/** The bytes of `text` in UTF-8. */
export function toBytePath(text: string): BytePath {
  return (NOT_ASCII.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text) as BytePath;
}

/** `name` as bytes were read from the system. */
export function bytePathOf(name: Uint8Array): BytePath {
  return Buffer.from(name.buffer, name.byteOffset, name.byteLength).toString('latin1') as BytePath;
}

/** What `node:fs` takes for these bytes: the string where it is ASCII (cheaper), else a Buffer. */
export function hostPath(path: BytePath): string | Buffer {
  return NOT_ASCII.test(path) ? Buffer.from(path, 'latin1') : path;
}

/** The text to show a person; bytes that are no UTF-8 come out as U+FFFD. */
export function displayPath(path: BytePath): string {
  return NOT_ASCII.test(path) ? Buffer.from(path, 'latin1').toString('utf8') : path;
}

/** The same text by itself: V8 keeps the whole of a text for as long as a part of it that has 13 characters or more. */
export function ownText(part: string): string {
  return part.length < 13 ? part : Buffer.from(part, 'latin1').toString('latin1');
}
