import type { DeviceNode } from '../../core/layer-marks.ts';

/** A socket that a step has in the place of a device node. */
export interface MadeNode {
  /** Its own wherever it is moved or linked to. A folder of an overlay shows the same as the overlay. */
  readonly inode: bigint;
  /** Its birth time in nanoseconds, because numbers of inodes are given again. */
  readonly bornAt: bigint;
  readonly device: DeviceNode;
}

/** By their inodes. */
export type MadeNodes = ReadonlyMap<bigint, MadeNode>;
