/** `linux.devices[]` of the OCI runtime specification: a node that is made in the container. */
export interface OciDevice {
  /** Below /dev. */
  readonly path: string;
  readonly type: 'c' | 'b';
  readonly major: number;
  readonly minor: number;
  readonly fileMode: number;
}

/** A device that everybody in the container may read and write, as docker makes them. */
export function deviceNode(
  path: string,
  type: OciDevice['type'],
  [major, minor]: readonly [number, number],
): OciDevice {
  return { path, type, major, minor, fileMode: 0o666 };
}
