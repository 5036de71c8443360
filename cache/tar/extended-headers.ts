import { parsePaxRecords } from './pax.ts';
import { parseSparseNumbers, type SparseSegment } from './sparse.ts';
import type { Refuse, TarHeader } from './tar-header.ts';

/** What extended headers said of the next entry, and global ones of all that follow. */
export interface ExtendedHeaders {
  readonly global: ReadonlyMap<string, string>;
  /** Of a PAX header. */
  readonly records?: ReadonlyMap<string, string>;
  /** `GNU.sparse.offset` and `GNU.sparse.numbytes` in order, which format 0.0 repeats. */
  readonly sparseNumbers?: readonly string[];
  /** Of GNU tar's types `L` and `K`. */
  readonly longName?: string;
  readonly longTarget?: string;
}

const SPARSE_00_KEYS = new Set(['GNU.sparse.offset', 'GNU.sparse.numbytes']);
const TEXT_KEYS = new Set(['path', 'linkpath', 'uname', 'gname', 'GNU.sparse.name']);
/** What a global header may say here; names, sizes and maps for all entries are no archive that a tar writes. */
const GLOBAL_EFFECTS = new Set(['uid', 'gid', 'mtime']);
const STRUCTURAL = /^(path|linkpath|size|GNU\.sparse\..*|SCHILY\.(xattr\..*|realsize))$/;

/** `before` with the records of a PAX header for the next entry (`x`) or for all that follow (`g`). */
export function withPaxHeader(before: ExtendedHeaders, flag: 'x' | 'g', body: Buffer, refuse: Refuse): ExtendedHeaders {
  const parsed = parsePaxRecords(body) ?? refuse('an extended header is malformed');
  for (const [key, value] of parsed) checkRecord(key, value, refuse);
  if (flag === 'x') {
    if (before.records !== undefined) refuse('an entry has two extended headers');
    const sparseNumbers = parsed.filter(([key]) => SPARSE_00_KEYS.has(key)).map(([, value]) => value);
    return { ...before, records: new Map(parsed), ...(sparseNumbers.length > 0 ? { sparseNumbers } : {}) };
  }
  const global = new Map(before.global);
  for (const [key, value] of parsed) {
    if (STRUCTURAL.test(key)) refuse(`a global extended header sets ${key}`);
    if (GLOBAL_EFFECTS.has(key)) global.set(key, value);
  }
  return { ...before, global };
}

/** Readers cut names at a NUL or do not, and take an empty value for nothing said or for an empty name. */
function checkRecord(key: string, value: string, refuse: Refuse): void {
  if (TEXT_KEYS.has(key) && value.includes('\0')) refuse(`the extended header's ${key} has a NUL byte`);
  if (STRUCTURAL.test(key) && value === '' && !key.startsWith('SCHILY.xattr.') && key !== 'GNU.sparse.map')
    refuse(`the extended header's ${key} is empty`);
}

/** `before` with a name (`L`) or link target (`K`) of GNU tar. */
export function withLongText(before: ExtendedHeaders, flag: 'L' | 'K', body: Buffer, refuse: Refuse): ExtendedHeaders {
  const end = body.indexOf(0);
  const text = body.toString('latin1', 0, end < 0 ? body.length : end);
  if (flag === 'L') {
    if (before.longName !== undefined) refuse('an entry has two long names');
    return { ...before, longName: text };
  }
  if (before.longTarget !== undefined) refuse('an entry has two long link names');
  return { ...before, longTarget: text };
}

/** Whether something waits for an entry that it belongs to. */
export function hasPending(extended: ExtendedHeaders): boolean {
  return extended.records !== undefined || extended.longName !== undefined || extended.longTarget !== undefined;
}

/** How a PAX header says that the file is sparse; `lines`: its map stands before its bytes. */
export type PaxSparse = { readonly size: number; readonly map: readonly SparseSegment[] | 'lines' };

/** A header with what the extended headers say in its place. */
export interface FullHeader extends TarHeader {
  readonly xattrs?: ReadonlyMap<string, string>;
  readonly sparse?: PaxSparse;
}

const XATTR_KEY = 'SCHILY.xattr.';

/** Applies extended headers to the header of the entry that they belong to. */
export function applyExtended(header: TarHeader, extended: ExtendedHeaders, refuse: Refuse): FullHeader {
  const { records, global } = extended;
  if (records?.has('path') && extended.longName !== undefined) refuse('an entry has two kinds of long name');
  if (records?.has('linkpath') && extended.longTarget !== undefined) refuse('an entry has two kinds of long link name');
  const value = (key: string) => records?.get(key) || (records?.has(key) ? undefined : global.get(key));
  const natural = (key: string, otherwise: number) => {
    const text = value(key);
    return text === undefined ? otherwise : paxNatural(key, text, refuse);
  };
  // GNU tar passes over so many bytes behind the link, others over none.
  if (header.flag === '1' && natural('size', 0) !== 0) refuse("a hard link's extended header gives it bytes");
  const sparse = records === undefined ? undefined : paxSparseOf(records, extended.sparseNumbers, refuse);
  const xattrs = records === undefined ? undefined : xattrsOf(records);
  return {
    ...header,
    name:
      (sparse === undefined ? undefined : value('GNU.sparse.name')) ??
      value('path') ??
      extended.longName ??
      header.name,
    target: value('linkpath') ?? extended.longTarget ?? header.target,
    size: natural('size', header.size),
    uid: natural('uid', header.uid),
    gid: natural('gid', header.gid),
    mtime: paxTime(value('mtime'), header.mtime, refuse),
    ...(xattrs === undefined ? {} : { xattrs }),
    ...(sparse === undefined ? {} : { sparse }),
  };
}

function xattrsOf(records: ReadonlyMap<string, string>): Map<string, string> | undefined {
  let found: Map<string, string> | undefined;
  for (const [key, value] of records) {
    if (!key.startsWith(XATTR_KEY) || key.length === XATTR_KEY.length) continue;
    found ??= new Map();
    found.set(key.slice(XATTR_KEY.length), value);
  }
  return found;
}

const SPARSE_SIZES = {
  new: ['GNU.sparse.realsize', 'GNU.sparse.size'],
  old: ['GNU.sparse.size', 'GNU.sparse.realsize'],
} as const;

/** GNU tar manual, "Storing Sparse Files": formats 0.0, 0.1 and 1.0. */
function paxSparseOf(
  records: ReadonlyMap<string, string>,
  numbers: readonly string[] | undefined,
  refuse: Refuse,
): PaxSparse | undefined {
  const version = `${records.get('GNU.sparse.major') ?? ''}.${records.get('GNU.sparse.minor') ?? ''}`;
  const map = records.get('GNU.sparse.map');
  const size = records.get('GNU.sparse.realsize') ?? records.get('GNU.sparse.size');
  if (version === '.' && size === undefined && map === undefined && numbers === undefined) {
    if (records.has('GNU.sparse.name')) refuse('an extended header names a sparse file but says nothing of its map');
    return undefined;
  }
  if (!/^(\.|0\.0|0\.1|1\.0)$/.test(version)) refuse(`sparse format ${version} is not known`);
  // Readers differ where a header has the size of another format, or both, or that of the stored bytes in an old format.
  const [key, other] = SPARSE_SIZES[version === '1.0' ? 'new' : 'old'];
  if (records.has(other)) refuse(`a sparse file of format ${version} has a ${other}`);
  const full = paxNatural(key, records.get(key) ?? '', refuse);
  if (version === '1.0') return { size: full, map: 'lines' };
  if (records.has('size')) refuse('a sparse file of an old format has two sizes');
  if (map === undefined && numbers === undefined) refuse('a sparse file has no map');
  const pairs = map === undefined ? (numbers ?? []) : map === '' ? [] : map.split(',');
  return { size: full, map: parseSparseNumbers(pairs, refuse) };
}

function paxNatural(key: string, text: string, refuse: Refuse): number {
  const number = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(number)
    ? number
    : refuse(`the extended header's ${key} is no number that can be represented`);
}

function paxTime(text: string | undefined, otherwise: number, refuse: Refuse): number {
  if (text === undefined) return otherwise;
  const seconds = /^-?[0-9]{1,15}(\.[0-9]*)?$/.test(text) ? Math.floor(Number(text)) : Number.NaN;
  return Number.isSafeInteger(seconds) ? seconds : refuse("the extended header's mtime is no time");
}
