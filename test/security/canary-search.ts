import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';

/** A secret's value that is nowhere else. */
export function canary(): string {
  return `canary-${randomBytes(24).toString('hex')}`;
}

/** Looks for secrets by what they are called. */
export interface CanarySearch {
  /** `place: NAME` for each secret that is in the bytes; what is compressed as a whole is searched as what it was. */
  inBytes(place: string, bytes: Buffer): string[];
  /** The same in a file, or in all files below a folder; `except` are paths below which nothing is looked at. */
  below(path: string, except?: readonly string[]): string[];
}

/**
 * A search for each secret as it is, in hexadecimal digits, and in base64 whatever stands before it. Secrets have 16 bytes or more.
 */
export function searchFor(secrets: Readonly<Record<string, string | Uint8Array>>): CanarySearch {
  const wanted = Object.entries(secrets).flatMap(([name, secret]) =>
    formsOf(Buffer.from(secret as string)).map((form) => ({ name, form })),
  );
  const inBytes = (place: string, found: Buffer) => {
    const bytes = decompressed(found);
    const names = wanted.filter(({ form }) => bytes.includes(form)).map(({ name }) => `${place}: ${name}`);
    return [...new Set(names)];
  };
  const below = (path: string, except: readonly string[] = []): string[] => {
    if (except.includes(path)) return [];
    if (!statSync(path).isDirectory()) return inBytes(path, readFileSync(path));
    const entries = readdirSync(path, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory() || entry.isFile())
      .flatMap(({ name }) => below(join(path, name), except));
  };
  return { inBytes, below };
}

function formsOf(secret: Buffer): Buffer[] {
  const inBase64 = [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), secret]).toString('base64');
    // Signs that hold bits of what stands before or behind it are another's, too.
    return text.slice(shift === 0 ? 0 : shift + 1, -4);
  });
  return [secret, ...[secret.toString('hex'), ...inBase64].map((text) => Buffer.from(text))];
}

function decompressed(bytes: Buffer): Buffer {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return gunzipSync(bytes);
  return bytes.length > 4 && bytes.readUInt32LE() === 0xfd2fb528 ? zstdDecompressSync(bytes) : bytes;
}
