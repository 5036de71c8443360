import { constants, copyFileSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ContentStore } from '../../cache/content/content-store.ts';
import type { LayerStore } from '../../cache/layers/layer-store.ts';
import type { Descriptor } from '../core/descriptor.ts';
import type { ImageForm } from '../image/assemble.ts';
import type { ImageExporter } from './exporter.ts';
import { withFullDestination } from './full-destination.ts';
import {
  fetchLayers,
  indexEntries,
  indexJson,
  LAYOUT_MARKER,
  type LayoutFile,
  layoutBlobs,
  storedBlob,
} from './layout.ts';
import { readLayoutIndex } from './layout-index.ts';
import { temporaryNameFor } from './temporary-name.ts';

export interface LayoutFolderOptions {
  readonly form: ImageForm;
  readonly names: readonly string[];
  readonly folder: string;
  readonly layers: LayerStore;
  readonly content: ContentStore;
}

/**
 * `type=oci,tar=false`: an OCI image layout as a folder. One that is there already is added to; an image of the same name takes the place of
 * the one before. `index.json` is written last, so that it never names a blob that is not there.
 */
export function layoutFolderExporter({ form, names, folder, layers, content }: LayoutFolderOptions): ImageExporter {
  return {
    kind: 'image',
    name: 'exporting to oci image format',
    form,
    async export(images, { signal }) {
      await fetchLayers(images, layers, signal);
      const before = readLayoutIndex(folder);
      makeBlobFolder(folder);
      for (const file of layoutBlobs(images)) {
        signal.throwIfAborted();
        writeBlob(folder, file, content);
      }
      const added = indexEntries(images, names);
      replaceText(join(folder, 'oci-layout'), LAYOUT_MARKER);
      replaceText(
        join(folder, 'index.json'),
        indexJson([...before.filter((old) => !isReplaced(old, added)), ...added]),
      );
      return { digest: images.root.digest, written: folder };
    },
  };
}

function makeBlobFolder(folder: string): void {
  try {
    mkdirSync(join(folder, 'blobs/sha256'), { recursive: true });
  } catch (error) {
    throw withFullDestination(error, folder, dirname(folder));
  }
}

function isReplaced(old: Descriptor, added: readonly Descriptor[]): boolean {
  const nameOf = ({ annotations }: Descriptor) => annotations?.['org.opencontainers.image.ref.name'];
  const fullNameOf = ({ annotations }: Descriptor) => annotations?.['io.containerd.image.name'];
  return added.some((image) => {
    const name = nameOf(image);
    if (name === undefined) return nameOf(old) === undefined && old.digest === image.digest;
    return nameOf(old) === name && (fullNameOf(old) === undefined || fullNameOf(old) === fullNameOf(image));
  });
}

function writeBlob(folder: string, file: LayoutFile, content: ContentStore): void {
  if ('text' in file) throw new Error('internal: a text is no blob');
  const target = join(folder, file.path);
  if (statSync(target, { throwIfNoEntry: false })?.size === file.size) return;
  renamedInto(target, (temporary) =>
    copyFileSync(storedBlob(content, file.blob), temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE),
  );
}

function replaceText(target: string, text: string): void {
  renamedInto(target, (temporary) => writeFileSync(temporary, text, { flag: 'wx' }));
}

function renamedInto(target: string, write: (temporary: string) => void): void {
  const temporary = temporaryNameFor(target);
  try {
    write(temporary);
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw withFullDestination(error, target, dirname(target));
  }
}
