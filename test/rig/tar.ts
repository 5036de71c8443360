import type { TarEntry } from '../../cache/tar/tar-entry.ts';
import { type TarItem, writeTar } from '../../cache/tar/tar-writer.ts';
import { toBytePath } from '../../src/core/byte-path.ts';

/** An entry of an archive to be made: a name that ends in a slash is a folder, one with text a file. */
export type TarSketch = Partial<Omit<TarEntry, 'path' | 'target'>> & {
  readonly path: string;
  readonly text?: string;
  readonly target?: string;
};

/** An archive with just these entries, whether or not that makes sense. */
export function tarOf(...sketches: readonly TarSketch[]): Buffer {
  return Buffer.concat([...writeTar(sketches.map(itemOf), { allocate: () => Buffer.alloc(64 * 512) })]);
}

function itemOf({ path, text = '', target, ...rest }: TarSketch): TarItem {
  const type = rest.type ?? (path.endsWith('/') ? 'dir' : 'file');
  const bytes = Buffer.from(text);
  const entry: TarEntry = {
    mode: type === 'dir' ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    mtime: 1_000_000_000,
    ...rest,
    size: bytes.length,
    type,
    path: toBytePath(type === 'dir' ? path.replace(/(?<=.)\/$/, '') : path),
    ...(target === undefined ? {} : { target: toBytePath(target) }),
  };
  return { entry, open: () => contentOf(bytes) };
}

function contentOf(bytes: Buffer) {
  let place = 0;
  return {
    read: (into: Buffer) => {
      const length = bytes.copy(into, 0, place);
      place += length;
      return length;
    },
    [Symbol.dispose]: () => {},
  };
}
