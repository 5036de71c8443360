import { createHash, hash } from 'node:crypto';
import { closeSync, readSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { type BytePath, displayPath } from '../src/core/byte-path.ts';
import type { Digest } from '../src/core/digest.ts';
import { SlipwayError } from '../src/core/errors.ts';
import type { FileEntry, FileTree, HostState } from '../src/core/file-tree.ts';
import { hostStatReader } from '../src/core/host-stat-reader.ts';
import type { ContentDigest, ContentDigester, ContentSelection } from './content-selection.ts';
import type { FileDigests, FileFacts, HostFile } from './file-digests.ts';
import { checkUnchanged, openHostFile } from './layers/host-content.ts';

/** Longest time that the event loop is held while files are digested, in milliseconds. */
const SLICE = 40;
const BUFFER_BYTES = 1024 * 1024;
/** Hex digits of a file's digest in a key part: it only tells files apart for a person. */
const PART_DIGITS = 16;

/** So much text is hashed at a time. */
const CHUNK = 64 * 1024;

/** A file that was selected; no entry where there is no such file. */
interface SelectedFile {
  readonly root: NamedRoot;
  readonly path: BytePath;
  readonly entry: FileEntry | undefined;
}

/** What a path of the tree starts with, and what the digest calls it. Without the slash of `/`. */
interface NamedRoot {
  readonly path: string;
  readonly name: string;
}

/** What the digest calls the file; made when it is needed, because there are many. */
function nameOf({ root, path }: SelectedFile): string {
  return `${root.name}${path === '/' ? '' : path.slice(root.path.length)}` || '/';
}

/**
 * A digester that does not read again what `known` has. It works on this thread in slices: the system calls cost more than the
 * hashing (50,000 files of 3 kB take 0.4 s to read and hash), so that threads would gain little.
 */
export function createContentDigester(known: FileDigests): ContentDigester {
  const reader = { known, buffer: Buffer.allocUnsafeSlow(BUFFER_BYTES), stat: hostStatReader() };
  return async (tree, selection, signal) => {
    const files = selectFiles(tree, selection);
    const digests: string[] = [];
    const running = createHash('sha256');
    let text = '';
    let sliceEnd = performance.now() + SLICE;
    for (const file of files) {
      const { path, entry } = file;
      const digest = entry === undefined ? '' : digestEntry(tree, path, { ...reader, entry });
      digests.push(digest);
      // No field contains a NUL, and every file has the same number of fields.
      text += `${nameOf(file)}\0${attributesOf(entry)}\0${digest}\0`;
      if (text.length >= CHUNK) {
        running.update(text);
        text = '';
      }
      if (performance.now() < sliceEnd) continue;
      await setImmediate();
      signal.throwIfAborted();
      sliceEnd = performance.now() + SLICE;
    }
    known.flush();
    return resultOf(`sha256:${running.update(text).digest('hex')}` as Digest, files, digests);
  };
}

function resultOf(digest: Digest, files: readonly SelectedFile[], digests: readonly string[]): ContentDigest {
  return {
    digest,
    // Only a result that is saved has its parts asked for.
    get parts() {
      return files.map((file, index) => ({
        name: `file ${displayPath(nameOf(file) as BytePath)}`,
        value: `${attributesOf(file.entry).replaceAll('\0', ' ')} ${digests[index]?.slice(0, PART_DIGITS)}`.trim(),
      }));
    },
  };
}

function attributesOf(entry: FileEntry | undefined): string {
  if (entry === undefined) return 'absent\0\0\0\0\0\0\0';
  const { type, mode, uid, gid, size, target = '', device, xattrs } = entry;
  const numbers = device === undefined ? '' : `${device.major}:${device.minor}`;
  const sorted = xattrs === undefined || xattrs.size === 0 ? '' : JSON.stringify([...xattrs].sort());
  return `${type}\0${mode.toString(8)}\0${uid}\0${gid}\0${size}\0${target}\0${numbers}\0${sorted}`;
}

function selectFiles(tree: FileTree, { roots, exclude }: ContentSelection): SelectedFile[] {
  const files: SelectedFile[] = [];
  const visit = (root: NamedRoot, path: BytePath) => {
    const entry = tree.lstat(path);
    if (entry === undefined || !exclude?.(path, entry)) files.push({ root, path, entry });
    if (entry?.type !== 'dir') return;
    const below = path === '/' ? '' : path;
    for (const child of tree.readdir(path)) visit(root, `${below}/${child}` as BytePath);
  };
  const named = roots.map(({ path, name = path }) => ({ path, name: name as string }));
  // Byte order, since a name is a byte path.
  named.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  for (const { path, name } of named) {
    visit({ path: path === '/' ? '' : path, name: name === '/' ? '' : name }, path);
  }
  return files;
}

interface FileReader {
  readonly known: FileDigests;
  readonly buffer: Buffer;
  readonly stat: (path: BytePath) => HostState | undefined;
  /** What the tree says of the file; other bytes must not get into the digest of that entry. */
  readonly entry: FileEntry;
}

/** Digest of a file's bytes, 64 hex digits; empty for what has none. Remembers as well whether there are extended attributes. */
function digestEntry(tree: FileTree, path: BytePath, { known, buffer, stat, entry }: FileReader): string {
  const isFile = entry.type === 'file';
  if (!isFile && (entry.type !== 'dir' || entry.host === undefined)) return '';
  const hostFile = tree.contentPath(path);
  const state = entry.host ?? stat(hostFile);
  if (state === undefined) throw changed(path);
  const file = { path: hostFile, size: entry.size, state };
  const remembered = known.lookup(file);
  if (remembered?.isPlain) state.isPlain = true;
  const facts: FileFacts = {
    digest: remembered?.digest ?? (isFile ? readAndHash(file, buffer) : ''),
    isPlain: entry.host !== undefined && (entry.xattrs?.size ?? 0) === 0,
  };
  if (facts.isPlain) state.isPlain = true;
  if (isFile) state.digest = facts.digest;
  if (remembered === undefined || remembered.isPlain !== facts.isPlain) known.note(file, facts);
  return facts.digest;
}

/** Reads the very file that was looked at: another one in its place, or a growing one, is `SLIPWAY_CONTEXT_CHANGED`. */
function readAndHash({ path, size, state }: HostFile, buffer: Buffer): string {
  const seen = { path, size, mtimeMs: state.mtimeMs, inode: state };
  const descriptor = openHostFile(seen);
  try {
    let count = readSync(descriptor, buffer, 0, buffer.length, null);
    if (count === size && count < buffer.length) return hash('sha256', buffer.subarray(0, count), 'hex');
    const running = createHash('sha256');
    let total = 0;
    for (; count > 0 && total <= size; count = readSync(descriptor, buffer, 0, buffer.length, null)) {
      running.update(buffer.subarray(0, count));
      total += count;
    }
    checkUnchanged(descriptor, seen);
    if (total !== size) throw changed(path);
    return running.digest('hex');
  } finally {
    closeSync(descriptor);
  }
}

function changed(path: BytePath): SlipwayError {
  return new SlipwayError('SLIPWAY_CONTEXT_CHANGED', `${displayPath(path)} changed while the build was reading it`, {
    hint: 'build again once nothing writes to the context',
  });
}
