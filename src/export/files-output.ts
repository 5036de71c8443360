import type { LayerStore } from '../../cache/layers/layer-store.ts';
import { type BytePath, displayPath, toBytePath } from '../core/byte-path.ts';
import { SlipwayError } from '../core/errors.ts';
import type { FileTree } from '../core/file-tree.ts';
import { formatPlatform } from '../core/platform.ts';
import type { PlatformResult } from '../image/assemble.ts';
import { walkTree } from './tree-walk.ts';

/** How an output of files is written. */
export interface FilesForm {
  /** A folder for each platform (`linux_amd64`); undefined: only where there are several. */
  readonly platformSplit?: boolean;
  /** Seconds since 1970: the mtime of everything that is written. */
  readonly epoch?: number;
}

/** The files of one platform, and the folder of the output that they go to; undefined is the output itself. */
export interface PlatformFiles {
  readonly platform: string;
  readonly folder: BytePath | undefined;
  readonly tree: FileTree;
}

/** Opens the files of every platform, gives them to `use`, and lets them go. */
export async function withPlatformFiles<Result>(
  results: readonly PlatformResult[],
  options: { readonly form: FilesForm; readonly layers: LayerStore; readonly signal: AbortSignal },
  use: (files: readonly PlatformFiles[]) => Promise<Result>,
): Promise<Result> {
  const isSplit = options.form.platformSplit ?? results.length > 1;
  using trees = new DisposableStack();
  const files: PlatformFiles[] = [];
  for (const { stack, platform } of results) {
    const name = formatPlatform(platform);
    const folder = isSplit ? toBytePath(name.replaceAll('/', '_')) : undefined;
    files.push({ platform: name, folder, tree: trees.use(await options.layers.view(stack, options.signal)) });
  }
  if (!isSplit && files.length > 1) refuseCollisions(files);
  return await use(files);
}

function refuseCollisions(files: readonly PlatformFiles[]): void {
  const owners = new Map<BytePath, string>();
  for (const { platform, tree } of files)
    for (const { path, entry } of walkTree(tree)) {
      if (entry.type === 'dir') continue;
      const owner = owners.get(path);
      if (owner !== undefined)
        throw new SlipwayError(
          'SLIPWAY_OUTPUT_COLLISION',
          `cannot overwrite ${displayPath(path)} of ${owner} with that of ${platform} when platform-split=false`,
        );
      owners.set(path, platform);
    }
}
