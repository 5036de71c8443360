import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { type BytePath, displayPath, hostPath } from './byte-path.ts';
import { SlipwayError } from './errors.ts';
import { type FileTree, resolvePath } from './file-tree.ts';

/** Who a process runs as. `groups` are the supplementary ids, the primary one first; `home` is `/` for an id without an entry. */
export interface UnixUser {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly home: string;
}

/** The texts of a root's /etc/passwd and /etc/group; undefined where the file is not there. */
export interface UserFiles {
  readonly passwd: string | undefined;
  readonly group: string | undefined;
}

export interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

export interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** Most bytes of /etc/passwd or /etc/group that are read. */
const USER_FILE_LIMIT = 10 * 1024 * 1024;
/** The greatest id that containerd and BuildKit take, although Linux knows twice as many. */
const MAX_ID = 2 ** 31 - 1;

/**
 * The user that `spec` (`user`, `uid`, `user:group`, in any mixture) means, by the rules of USER: digits are always an id,
 * also where an entry has them as its name; an id needs no entry; a user's own groups count only where no group is written. Empty is root.
 * `SLIPWAY_USER_UNKNOWN` for a name without an entry, `SLIPWAY_USER_INVALID` for a number above 2147483647.
 */
export function lookupUser(files: UserFiles, spec: string): UnixUser {
  const [userPart = '', groupPart = ''] = spec.split(':');
  const uid = userPart === '' ? 0 : parseId(userPart, spec);
  const entry = findUser(files.passwd, uid ?? userPart);
  if (uid === undefined && entry === undefined) throw unknown('user', userPart, '/etc/passwd', files.passwd);
  const id = uid ?? entry?.uid ?? 0;
  const home = findUser(files.passwd, id)?.home || '/';
  if (groupPart !== '') {
    const gid = lookupGroup(files.group, groupPart, spec);
    return { uid: id, gid, groups: [gid], home };
  }
  const gid = entry?.gid ?? 0;
  const own =
    entry === undefined ? [] : groupEntries(files.group).filter((group) => group.members.includes(entry.name));
  return { uid: id, gid, groups: [...new Set([gid, ...own.map((group) => group.gid)])], home };
}

/** The first entry with this name or id, as getpwnam(3) would find it in a file alone. */
export function findUser(passwd: string | undefined, nameOrId: string | number): PasswdEntry | undefined {
  for (const [name = '', , uid, gid, , home = ''] of lines(passwd)) {
    const entry = { name, uid: fieldId(uid), gid: fieldId(gid), home };
    if (typeof nameOrId === 'number' ? entry.uid === nameOrId : name === nameOrId) return entry;
  }
  return undefined;
}

/** The first entry with this name. */
export function findGroup(group: string | undefined, name: string): GroupEntry | undefined {
  return groupEntries(group).find((entry) => entry.name === name);
}

/** An id written in digits; undefined for a name. A number that is no id is an error, never a name (CVE-2026-46680). */
export function parseId(text: string, spec = text): number | undefined {
  if (!/^[+-]?\d+$/.test(text)) return undefined;
  const id = Number(text);
  if (id >= 0 && id <= MAX_ID) return id;
  throw new SlipwayError('SLIPWAY_USER_INVALID', `"${spec}": ${text} is no user or group id (expected 0 to ${MAX_ID})`);
}

/** Both files of `tree`, resolved inside it. `SLIPWAY_USER_FILE_INVALID` where one is no regular file or above 10 MiB. */
export function readUserFiles(tree: FileTree): UserFiles {
  return { passwd: readUserFile(tree, '/etc/passwd'), group: readUserFile(tree, '/etc/group') };
}

function readUserFile(tree: FileTree, name: string): string | undefined {
  const path = resolvePath(tree, name as BytePath, 'follow');
  const entry = path === undefined ? undefined : tree.lstat(path);
  if (path === undefined || entry === undefined) return undefined;
  if (entry.type !== 'file') throw invalidFile(name, `expected a regular file, found a ${entry.type}`);
  return readBoundedFile(tree.contentPath(path), name);
}

/**
 * The text of one user file on this machine; `shown` is its name for messages. Never waits for a fifo's writer or reads a
 * device, and never follows a symlink at the end.
 */
export function readBoundedFile(path: BytePath, shown: string = displayPath(path)): string {
  const fd = openSync(hostPath(path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw invalidFile(shown, 'expected a regular file');
    if (stat.size > USER_FILE_LIMIT) throw invalidFile(shown, `${stat.size} bytes are more than ${USER_FILE_LIMIT}`);
    const bytes = Buffer.alloc(stat.size);
    let length = 0;
    while (length < bytes.length) {
      const count = readSync(fd, bytes, length, bytes.length - length, length);
      if (count === 0) break;
      length += count;
    }
    return bytes.toString('utf8', 0, length);
  } finally {
    closeSync(fd);
  }
}

function lookupGroup(group: string | undefined, name: string, spec: string): number {
  const gid = parseId(name, spec) ?? findGroup(group, name)?.gid;
  if (gid === undefined) throw unknown('group', name, '/etc/group', group);
  return gid;
}

function groupEntries(group: string | undefined): GroupEntry[] {
  return lines(group).map(([name = '', , gid, members = '']) => ({
    name,
    gid: fieldId(gid),
    members: members === '' ? [] : members.split(','),
  }));
}

/** Lines as fields. Nothing says what a comment is in these files, so `# comment` is an entry that nobody asks for. */
function lines(text: string | undefined): string[][] {
  if (text === undefined) return [];
  const trimmed = text.split('\n').map((line) => line.trim());
  return trimmed.filter((line) => line !== '').map((line) => line.split(':'));
}

/** What is no number counts as 0, as moby's parser has it: "messy" files are common and must mean the same here. */
function fieldId(field: string | undefined): number {
  return field !== undefined && /^[+-]?\d+$/.test(field) ? Number(field) : 0;
}

function unknown(kind: 'user' | 'group', name: string, file: string, text: string | undefined): SlipwayError {
  const why = text === undefined ? `the image has no ${file}` : `no entry in the image's ${file}`;
  return new SlipwayError('SLIPWAY_USER_UNKNOWN', `unable to find ${kind} ${name}: ${why}`, {
    hint: `create the ${kind} in an earlier RUN, or write its numeric id`,
  });
}

function invalidFile(name: string, why: string): SlipwayError {
  return new SlipwayError('SLIPWAY_USER_FILE_INVALID', `cannot read the image's ${name}: ${why}`);
}
