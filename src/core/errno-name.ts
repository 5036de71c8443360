import { constants } from 'node:os';

const NAMES = new Map(Object.entries(constants.errno).map(([name, number]) => [number as number, name]));

/** The name of an error number, as errors of Node have it in `code` (`ENOENT`); `E` and the number for one that Node has no name for. */
export function errnoName(number: number): string {
  return NAMES.get(number) ?? `E${number}`;
}
