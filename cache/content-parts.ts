import { type BytePath, displayPath } from '../src/core/byte-path.ts';
import type { FileEntry } from '../src/core/file-tree.ts';
import type { DigestedRoot } from './content-digest.ts';
import { attributesOf, type DigestedFolder, PART_LIMIT } from './folder-digester.ts';
import type { KeyPart } from './records/record-store.ts';

/** Hex digits of a digest in a part: it only tells files apart for a person. */
const PART_DIGITS = 16;

/** The ingredients of a content digest by name, to explain what another one differs by. */
export function contentParts(roots: readonly DigestedRoot[]): readonly KeyPart[] {
  const folders = roots.flatMap(foldersOf);
  const isFew = folders.reduce((sum, { folder }) => sum + folder.count, roots.length) <= PART_LIMIT;
  const parts = roots.filter(({ isExcluded }) => !isExcluded).map((root) => filePart(root.name, root));
  return parts.concat(isFew ? folders.flatMap(fileParts) : folderParts(folders));
}

interface PlacedFolder {
  /** As the digest calls it, without a slash at the end. */
  readonly name: string;
  /** 0 for a root. */
  readonly depth: number;
  readonly folder: DigestedFolder;
}

/** A root's folders, each before those in it. */
function foldersOf({ name, folder }: DigestedRoot): PlacedFolder[] {
  if (folder === undefined) return [];
  const found: PlacedFolder[] = [{ name: name === '/' ? '' : name, depth: 0, folder }];
  for (const above of found) {
    for (const [below, inner] of above.folder.folders)
      found.push({ name: `${above.name}/${below}`, depth: above.depth + 1, folder: inner });
  }
  return found;
}

function fileParts({ name, folder }: PlacedFolder): KeyPart[] {
  return Array.from(folder.files(), (file) => filePart(`${name}/${file.name}`, file));
}

function filePart(name: string, file: { readonly entry: FileEntry | undefined; readonly digest: string }): KeyPart {
  const attributes = file.entry === undefined ? 'absent' : attributesOf(file.entry).replaceAll('\0', ' ');
  const value = `${attributes} ${file.digest.slice(0, PART_DIGITS)}`.trim();
  return { name: `file ${displayPath(name as BytePath) || '/'}`, value };
}

function folderParts(folders: readonly PlacedFolder[]): KeyPart[] {
  const deepest = depthWithinLimit(folders);
  const parts: KeyPart[] = [];
  for (const { name, depth, folder } of folders) {
    const digest = depth < deepest ? folder.listing : folder.whole;
    if (depth > deepest || digest === '') continue;
    parts.push({ name: `folder ${displayPath(name as BytePath) || '/'}`, value: digest.slice(0, PART_DIGITS) });
  }
  return parts;
}

/** How deep folders may lie that there are no more of them than parts. */
function depthWithinLimit(folders: readonly PlacedFolder[]): number {
  const counts: number[] = [];
  for (const { depth } of folders) counts[depth] = (counts[depth] ?? 0) + 1;
  let sum = 0;
  const tooDeep = counts.findIndex((count) => {
    sum += count;
    return sum > PART_LIMIT;
  });
  return tooDeep < 0 ? counts.length : Math.max(0, tooDeep - 1);
}
