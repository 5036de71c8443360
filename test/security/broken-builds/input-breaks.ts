import type { BrokenBuild } from './broken-build.ts';

/** Holes in what comes from outside: repositories, registries, archives, the cache. */
export const INPUT_BREAKS: readonly BrokenBuild[] = [];
