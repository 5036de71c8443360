import { defineConfig } from 'vitest/config';

const END_TO_END = 'test/e2e/**/*.test.ts';

export default defineConfig({
  test: {
    testTimeout: 120_000,
    hookTimeout: 120_000,
    sequence: { shuffle: false },
    reporters: ['default'],
    projects: [
      { extends: true, test: { name: 'rooms', include: ['test/**/*.test.ts'], exclude: [END_TO_END] } },
      // These use the bundled command line and base images, which are made before them.
      { extends: true, test: { name: 'e2e', include: [END_TO_END], globalSetup: ['test/rig/global-setup.ts'] } },
    ],
  },
});
