import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { digestOf } from '../../src/core/digest.ts';
import { errnoOf } from '../../src/core/errors.ts';
import type { KeyPart } from './record-store.ts';

/** More parts of files than this are kept as parts of their folders. */
const FILE_LIMIT = 4096;
/** Characters that are kept of a part's value, so that no part makes the database large. */
const VALUE_LIMIT = 4096;
const FILE_PREFIX = 'file ';
const FOLDER_PREFIX = 'folder ';
/** What a stored list may unpack to; the list of a real record is far smaller. */
const UNPACKED_LIMIT = 64 * 1024 * 1024;

/** Parts as a compressed blob: a few kilobytes for an ordinary vertex, some 100 for one that reads 50,000 files. */
export function packKeyParts(parts: readonly KeyPart[]): Buffer {
  const pairs = foldFiles(parts).map(({ name, value }) => [name, shorten(value)]);
  return zstdCompressSync(JSON.stringify(pairs));
}

/** Parts from `packKeyParts`; none where the blob is damaged, since they only explain. */
export function unpackKeyParts(blob: Uint8Array): readonly KeyPart[] {
  try {
    const pairs: unknown = JSON.parse(zstdDecompressSync(blob, { maxOutputLength: UNPACKED_LIMIT }).toString());
    return Array.isArray(pairs) ? pairs.filter(isPair).map(([name, value]) => ({ name, value })) : [];
  } catch (error) {
    const isDamage = error instanceof SyntaxError || /^(ZSTD_|Z_|ERR_BUFFER_TOO_LARGE)/.test(errnoOf(error) ?? '');
    if (isDamage) return [];
    throw error;
  }
}

/** Replaces files by their folders, deepest first, until few enough are left: what differs is still narrowed down to a folder. */
function foldFiles(parts: readonly KeyPart[]): readonly KeyPart[] {
  const others = parts.filter((part) => !part.name.startsWith(FILE_PREFIX));
  let files = parts.filter((part) => part.name.startsWith(FILE_PREFIX));
  while (files.length > FILE_LIMIT) {
    const folded = foldDeepest(files);
    if (folded.length === files.length) return [...others, digestAll(files)];
    files = folded;
  }
  return [...others, ...files];
}

/** Folds the entries at the greatest depth into one part a folder. */
function foldDeepest(files: readonly KeyPart[]): KeyPart[] {
  const depth = files.reduce((most, { name }) => Math.max(most, depthOf(name)), 0);
  const kept: KeyPart[] = [];
  const folders = new Map<string, string[]>();
  for (const part of files) {
    const slash = part.name.lastIndexOf('/');
    if (depthOf(part.name) < depth || slash < 0) {
      kept.push(part);
      continue;
    }
    const folder = FOLDER_PREFIX + part.name.slice(part.name.indexOf(' ') + 1, slash);
    const members = folders.get(folder);
    const member = `${part.name}\0${part.value}`;
    if (members === undefined) folders.set(folder, [member]);
    else members.push(member);
  }
  for (const [name, members] of folders) kept.push({ name, value: digestOf(members.join('\n')) });
  return kept;
}

function digestAll(files: readonly KeyPart[]): KeyPart {
  return { name: FOLDER_PREFIX, value: digestOf(files.map(({ name, value }) => `${name}\0${value}`).join('\n')) };
}

function depthOf(name: string): number {
  let depth = 0;
  for (let at = name.indexOf('/'); at >= 0; at = name.indexOf('/', at + 1)) depth++;
  return depth;
}

function shorten(value: string): string {
  return value.length <= VALUE_LIMIT ? value : `${value.slice(0, VALUE_LIMIT)}… ${digestOf(value)}`;
}

function isPair(pair: unknown): pair is [string, string] {
  return Array.isArray(pair) && pair.length === 2 && pair.every((member) => typeof member === 'string');
}
