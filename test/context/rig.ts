import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ContextServices } from '../../src/context/build-context.ts';
import { type BytePath, displayPath } from '../../src/core/byte-path.ts';
import type { FileTree } from '../../src/core/file-tree.ts';
import { silentProgress } from '../../src/core/progress.ts';
import { temporaryFolder } from '../rig/temporary-folder.ts';

/** A new folder with these files: text, or `-> target` for a symlink; a name that ends in a slash is an empty folder. */
export function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = temporaryFolder('context');
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, name);
    mkdirSync(name.endsWith('/') ? path : dirname(path), { recursive: true });
    if (text.startsWith('-> ')) symlinkSync(text.slice(3), path);
    else if (!name.endsWith('/')) writeFileSync(path, text);
  }
  return folder;
}

/** Every path of a tree, folders with a slash after them. */
export function pathsOf(tree: FileTree, folder = '/' as BytePath): string[] {
  return tree.readdir(folder).flatMap((name) => {
    const path = `${folder === '/' ? '' : folder}/${name}` as BytePath;
    const isFolder = tree.lstat(path)?.type === 'dir';
    return [`${displayPath(path)}${isFolder ? '/' : ''}`, ...(isFolder ? pathsOf(tree, path) : [])];
  });
}

/** Services with a temporary folder of their own, and answers by URL. */
export function contextServices(answers: Readonly<Record<string, Uint8Array | number>> = {}): ContextServices {
  const folder = temporaryFolder('context-tmp');
  let count = 0;
  const respond = async (url: string | URL | Request) => {
    const answer = answers[String(url)];
    if (answer === undefined) throw new TypeError('fetch failed', { cause: new Error('no such host') });
    if (typeof answer === 'number') return new Response('', { status: answer });
    return new Response(new Uint8Array(answer));
  };
  return {
    temporaryPath: () => join(folder, String(count++)),
    fetch: respond,
    git: () => Promise.reject(new Error('no repositories here')),
    progress: silentProgress,
    signal: new AbortController().signal,
  };
}

/** Bytes as they come from a pipe: in small pieces. */
export async function* pieces(bytes: Uint8Array, size = 100): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}
