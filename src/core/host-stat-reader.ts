import { fstatSync, lstatSync } from 'node:fs';
import { type BytePath, hostPath } from './byte-path.ts';
import { makeStamps, type Stamps, setStamp, statAt } from './host-stamp.ts';
import type { HostStat } from './host-stat.ts';
import { syscalls } from './syscalls.ts';

/** After so many files the faster call has paid for loading koffi. */
const LOADING_PAYS = 2000;

/**
 * An lstat(2) that gives undefined for what is not there and throws what node:fs throws. Exact to the nanosecond either way, it asks
 * by Node's function for the first files, and then by a call of its own that takes half the time and leaves no garbage: with 50,000
 * files the difference is 0.15 s.
 */
export function hostStatReader(): (path: BytePath) => HostStat | undefined {
  let count = 0;
  const stamp = makeStamps(1);
  return (path) => {
    if (++count > LOADING_PAYS) return syscalls().lstat(path);
    const stats = lstatSync(hostPath(path), { bigint: true, throwIfNoEntry: false });
    if (stats === undefined) return undefined;
    setStamp(stamp, 0, stats);
    return statAt(stamp, 0);
  };
}

/**
 * Stamps of names in an open folder, in their order; an empty name is the folder itself. The same two calls as `hostStatReader`'s, and
 * nothing is made for a file but its stamp.
 */
export function hostStampReader(): (folder: number, names: readonly BytePath[]) => Stamps {
  let count = 0;
  return (folder, names) => {
    const stamps = makeStamps(names.length);
    count += names.length;
    const read = count > LOADING_PAYS ? syscalls().stamp : stampByNode;
    for (const [index, name] of names.entries()) read(folder, name, stamps, index);
    return stamps;
  };
}

function stampByNode(folder: number, name: BytePath, into: Stamps, index: number): void {
  const path = hostPath(`/proc/self/fd/${folder}/${name}` as BytePath);
  const stats =
    name === '' ? fstatSync(folder, { bigint: true }) : lstatSync(path, { bigint: true, throwIfNoEntry: false });
  if (stats !== undefined) setStamp(into, index, stats);
}
