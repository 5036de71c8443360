import type { TarEntry } from '../tar/tar-entry.ts';

/** Names and shapes of eStargz (stargz-snapshotter, docs/estargz.md): a gzip tar with a table of contents behind it. */
export const TOC_NAME = 'stargz.index.json';
/** Says that nothing of the layer is to be fetched before it is asked for ("Prioritized Files and Landmark Files"). */
export const LANDMARK_NAME = '.no.prefetch.landmark';
export const LANDMARK_BYTES = Buffer.from([0x0f]);
/** Digest of the table of contents, by which a reader that fetches files one by one trusts it. */
export const TOC_DIGEST_ANNOTATION = 'containerd.io/snapshot/stargz/toc.digest';
/** Bytes of the uncompressed layer, which such a reader cannot count. */
export const UNCOMPRESSED_SIZE_ANNOTATION = 'io.containers.estargz.uncompressed-size';

/** A file's bytes from `fileOffset` on are the start of the gzip member that has the number `member` in the blob. */
export interface TocChunk {
  readonly member: number;
  readonly fileOffset: number;
  readonly size: number;
  /** `sha256:…` of the chunk. */
  readonly digest: string;
}

/** What the table says of one entry of the tar. */
export interface TocFile {
  readonly entry: TarEntry;
  /** `sha256:…` of a regular file's bytes. */
  readonly digest?: string;
  readonly chunks: readonly TocChunk[];
}

const TYPES = {
  file: 'reg',
  dir: 'dir',
  symlink: 'symlink',
  hardlink: 'hardlink',
  char: 'char',
  block: 'block',
  fifo: 'fifo',
} as const;

/**
 * The table of contents as JSON. `offsetOf` gives the place of a member in the blob. JSON has no place for names that are not UTF-8:
 * their bytes become U+FFFD, as in the reference implementation.
 */
export function tocJson(files: readonly TocFile[], offsetOf: (member: number) => number): Buffer {
  const entries = files.flatMap((file) => tocEntries(file, offsetOf));
  return Buffer.from(JSON.stringify({ version: 1, entries }, undefined, '\t'));
}

function tocEntries({ entry, digest, chunks }: TocFile, offsetOf: (member: number) => number): object[] {
  const path = entry.type === 'dir' && !entry.path.endsWith('/') ? `${entry.path}/` : entry.path;
  const name = textOf(path);
  const [first, ...more] = chunks.map(({ member, fileOffset, size, digest: chunkDigest }) => ({
    offset: offsetOf(member),
    ...(fileOffset === 0 ? {} : { chunkOffset: fileOffset }),
    ...(chunks.length === 1 ? {} : { chunkSize: size }),
    chunkDigest,
  }));
  const { type, size, mode, uid, gid, mtime, target, device, xattrs } = entry;
  return [
    {
      name,
      type: TYPES[type],
      ...(size === 0 ? {} : { size }),
      ...(isDate(mtime) ? { modtime: new Date(mtime * 1000).toISOString().replace('.000Z', 'Z') } : {}),
      ...(target === undefined ? {} : { linkName: textOf(target) }),
      mode,
      uid,
      gid,
      ...(device === undefined ? {} : { devMajor: device.major, devMinor: device.minor }),
      ...(xattrs === undefined || xattrs.size === 0 ? {} : { xattrs: base64Values(xattrs) }),
      ...(digest === undefined ? {} : { digest }),
      ...first,
    },
    ...more.map((chunk) => ({ name, type: 'chunk', ...chunk })),
  ];
}

/** RFC 3339 has years of four digits; a time that it cannot write is left out, which means "unknown". */
function isDate(seconds: number): boolean {
  return seconds !== 0 && seconds >= -62_135_596_800 && seconds <= 253_402_300_799;
}

function textOf(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

function base64Values(xattrs: ReadonlyMap<string, string>): Record<string, string> {
  const sorted = [...xattrs].sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(sorted.map(([name, value]) => [name, Buffer.from(value, 'latin1').toString('base64')]));
}

/** The last 51 bytes of a blob: an empty gzip member whose extra field says where the table's member starts ("Footer"). */
export function estargzFooter(tocOffset: number): Buffer {
  const field = Buffer.from(`${tocOffset.toString(16).padStart(16, '0')}STARGZ`, 'latin1');
  const header = Buffer.from([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, field.length + 4, 0, 0x53, 0x47, field.length, 0]);
  // A last block of deflate that is stored and empty; CRC and length of nothing.
  const end = Buffer.from([1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([header, field, end]);
}
