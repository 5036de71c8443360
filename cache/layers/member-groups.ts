import { type TarItem, tarSizeOf } from '../tar/tar-writer.ts';

const MIB = 1024 * 1024;

/**
 * Bytes of tar that become one member: none ends before `floor` but where a file is so large that it has its own, none is above `ceiling`.
 * In each the compressor starts without anything to refer to: with members of 1 MB a layer of text is 0.5 % larger than in one stream.
 */
export const MEMBER = { floor: 2 * MIB, spread: 1.5 * MIB, ceiling: 5 * MIB } as const;
const OWN_MEMBER = MEMBER.ceiling / 2;
const SMALLEST = 32 * 1024;

/** Items that start a member. They are one where they take no more than `MEMBER.ceiling` bytes of tar. */
export interface MemberGroup<Item extends TarItem> {
  readonly items: readonly Item[];
  readonly tarBytes: number;
}

/**
 * Divides a tar's items where members end. That follows from their entries alone: nothing is read for it, and the same items are
 * divided alike whatever is known of them.
 */
export function* memberGroups<Item extends TarItem>(items: Iterable<Item>): Generator<MemberGroup<Item>, void> {
  let group: Item[] = [];
  let tarBytes = 0;
  for (const item of items) {
    const size = tarSizeOf(item.entry);
    if (group.length > 0 && isCut(item.entry.path, size, lastMemberBytes(tarBytes))) {
      yield { items: group, tarBytes };
      [group, tarBytes] = [[], 0];
    }
    group.push(item);
    tarBytes += size;
  }
  if (group.length > 0) yield { items: group, tarBytes };
}

/** What is in the last of the members that a group of this size is cut into. */
function lastMemberBytes(tarBytes: number): number {
  return ((tarBytes - 1) % MEMBER.ceiling) + 1;
}

/**
 * Whether a member ends before an entry. Decided by the entry's path and size alone once the floor is reached, so that a change
 * elsewhere in the tar moves no cut but the ones next to it, and all other members are found compressed already. The larger an
 * entry, the likelier a cut before it.
 */
function isCut(path: string, size: number, memberBytes: number): boolean {
  if (size >= OWN_MEMBER) return memberBytes >= SMALLEST;
  if (memberBytes + size > MEMBER.ceiling) return true;
  return memberBytes >= MEMBER.floor && fractionOf(path) < size / MEMBER.spread;
}

/** A number in [0, 1) that follows from the path: FNV-1a, mixed so that paths that differ only at their end are far apart. */
function fractionOf(path: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < path.length; index++) hash = Math.imul(hash ^ path.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return ((hash ^ (hash >>> 13)) >>> 0) / 2 ** 32;
}
