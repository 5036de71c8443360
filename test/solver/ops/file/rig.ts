import type { TreeEntry } from '../../../../cache/layers/layer-store.ts';
import { WorkingTree } from '../../../../cache/trees/working-tree.ts';
import { applyAction } from '../../../../solver/ops/file/apply-action.ts';
import type { OpServices } from '../../../../solver/ops/services.ts';
import type { CopyAction, FileAction } from '../../../../solver/vertex.ts';
import { displayPath } from '../../../../src/core/byte-path.ts';
import type { FileTree } from '../../../../src/core/file-tree.ts';
import type { ProgressEvent } from '../../../../src/core/progress.ts';

/** When everything happens that a build makes itself, in seconds. */
export const NOW = 1_700_000_000;

/** A COPY as the Dockerfile has it, less what is given. */
export function copyAction(
  source: string,
  destination: string,
  changes: Partial<Omit<CopyAction, 'chmod'>> & { readonly chmod?: number | string } = {},
): CopyAction {
  return {
    action: 'copy',
    input: 1,
    source,
    literal: false,
    destination,
    unpack: false,
    parents: false,
    exclude: [],
    mustMatch: false,
    contentsOnly: true,
    written: source,
    link: false,
    ...changes,
  };
}

/** Applies actions to a root and returns the layer, one line an entry, and what was warned of. */
export async function layerOf(
  root: FileTree,
  source: FileTree,
  actions: readonly FileAction[],
  temporaryPath: () => string = () => '/nowhere',
): Promise<{ readonly lines: string[]; readonly entries: TreeEntry[]; readonly events: ProgressEvent[] }> {
  const events: ProgressEvent[] = [];
  const tree = new WorkingTree(root);
  const context = {
    signal: new AbortController().signal,
    progress: { emit: (event: ProgressEvent) => void events.push(event) },
    stepId: '1',
  };
  const services = { temporaryPath } as OpServices;
  for (const action of actions) {
    await applyAction(action, {
      tree,
      root,
      source: { tree: source, description: 'the build context' },
      now: NOW,
      services,
      context,
    });
  }
  const entries = [...tree.layer];
  return { entries, lines: entries.map(describeEntry), events };
}

/** `/path type mode uid:gid`, then the content's path, the link target, the hard link, whether opaque, whether made just now. */
export function describeEntry({ path, change }: TreeEntry): string {
  if (change.kind === 'removed') return `${displayPath(path)} removed`;
  const { file, content, hardLinkTo, opaque } = change;
  const words = [displayPath(path), file.type, file.mode.toString(8).padStart(4, '0'), `${file.uid}:${file.gid}`];
  if (file.target !== undefined) words.push(`-> ${displayPath(file.target)}`);
  if (hardLinkTo !== undefined) words.push(`= ${displayPath(hardLinkTo)}`);
  if (content?.kind === 'host') words.push(`from ${displayPath(content.path)}`);
  if (content?.kind === 'bytes') words.push(JSON.stringify(Buffer.from(content.bytes).toString()));
  if (opaque === true) words.push('opaque');
  if (file.mtime === NOW) words.push('new');
  return words.join(' ');
}
