import { defineConfig } from 'vitest/config';
import { enterRunFolder } from './test/rig/run-folder.ts';

// Before anything asks for a temporary folder.
enterRunFolder();

const WHOLE_BUILDS = ['test/e2e/**/*.test.ts', 'test/security/builds/**/*.test.ts'];

export default defineConfig({
  test: {
    testTimeout: 120_000,
    hookTimeout: 120_000,
    sequence: { shuffle: false },
    reporters: ['default'],
    projects: [
      { extends: true, test: { name: 'rooms', include: ['test/**/*.test.ts'], exclude: WHOLE_BUILDS } },
      // These use the bundled command line and base images, which are made before them.
      { extends: true, test: { name: 'e2e', include: WHOLE_BUILDS, globalSetup: ['test/rig/global-setup.ts'] } },
    ],
  },
});
