import { SlipwayError } from '../../src/core/errors.ts';

/** What any archive may become, however small it is: a large file of zeros is nothing unusual. */
const FREE_BYTES = 4 * 1024 ** 3;
/** Above that, how many times its own size. Images become 2 to 5 times as large, logs 50 times, an archive that is an attack 1000 times. */
const RATIO = 100;
/** Each is a file to make and to remember: twice as many as the largest images have. */
const ENTRY_LIMIT = 2_000_000;
const SETTING = 'SLIPWAY_EXPANSION_LIMIT';

/**
 * Refuses what grows too much while it is read: `SLIPWAY_ARCHIVE_TOO_LARGE` where `given` bytes, holes of sparse files included, came out of
 * `taken` bytes, and that is more than 4 GiB and more than 100 times as many. The environment variable SLIPWAY_EXPANSION_LIMIT names
 * other gigabytes than these 4, or `off`.
 */
export function checkExpansion(
  archive: string,
  { taken, given }: { readonly taken: number; readonly given: number },
): void {
  // Nearly all archives are below both without a look at the environment.
  if (given <= taken * RATIO) return;
  const free = freeBytes(process.env[SETTING]);
  if (given <= free) return;
  throw new SlipwayError(
    'SLIPWAY_ARCHIVE_TOO_LARGE',
    `${archive} becomes more than ${free} bytes, which is more than ${RATIO} times the ${taken} bytes that were read of it`,
    { hint: `if it is to be so large, set ${SETTING} to the gigabytes that it may become, or to off` },
  );
}

/** Refuses an archive of more than 2,000,000 entries (`SLIPWAY_ARCHIVE_TOO_LARGE`), unless SLIPWAY_EXPANSION_LIMIT is `off`. */
export function checkEntryCount(archive: string, count: number): void {
  if (count <= ENTRY_LIMIT || process.env[SETTING] === 'off') return;
  throw new SlipwayError('SLIPWAY_ARCHIVE_TOO_LARGE', `${archive} has more than ${ENTRY_LIMIT} entries`, {
    hint: `if it is to have so many, set ${SETTING} to off`,
  });
}

function freeBytes(setting: string | undefined): number {
  if (setting === undefined || setting === '') return FREE_BYTES;
  if (setting === 'off') return Number.POSITIVE_INFINITY;
  if (/^\d{1,6}(\.\d+)?$/.test(setting)) return Number(setting) * 1024 ** 3;
  throw new SlipwayError('SLIPWAY_OPTION_INVALID', `${SETTING}: "${setting}": expected a number of gigabytes, or off`);
}
