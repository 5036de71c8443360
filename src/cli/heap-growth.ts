import { getHeapStatistics, setFlagsFromString } from 'node:v8';

/** What a build of fifty thousand files comes to. Below that V8 does best as it is. */
const LARGE_HEAP_BYTES = 48 * 1024 * 1024;
/** By how many percent a large heap may grow over what was in use at the last look for garbage, until the next. V8 would let it double or more. */
const GROWTH = 50;
/** Milliseconds. */
const LOOK_EVERY = 20;

/**
 * Keeps a large heap near what is in use, although a walk over a million files makes gigabytes of garbage. It sets V8's flags, which are the
 * whole process's: for the command line only.
 */
export function limitHeapGrowth(): void {
  const timer = setInterval(() => {
    if (getHeapStatistics().total_heap_size < LARGE_HEAP_BYTES) return;
    // Room for objects that were just made stays what it is: with more of it no build is faster.
    setFlagsFromString('--semi-space-growth-factor=1');
    setFlagsFromString(`--heap-growing-percent=${GROWTH}`);
    clearInterval(timer);
  }, LOOK_EVERY);
  timer.unref();
}
