import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

/** Room for objects that were just made: with more of it a build is no faster, and V8 would let it grow to 128 MB. */
const YOUNG_BYTES = 32 * 1024 * 1024;
/** By how many percent the heap may grow over what was in use at the last look for garbage, until the next. V8 would let it double or more. */
const GROWTH = 50;
/** Milliseconds. */
const LOOK_EVERY = 20;

/**
 * Keeps the heap near what is in use, although a walk over a million files makes gigabytes of garbage. It sets V8's flags, which are the
 * whole process's: for the command line only.
 */
export function limitHeapGrowth(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH}`);
  const timer = setInterval(() => {
    const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
    if (young === undefined || young.space_size < YOUNG_BYTES) return;
    setFlagsFromString('--semi-space-growth-factor=1');
    clearInterval(timer);
  }, LOOK_EVERY);
  timer.unref();
}
