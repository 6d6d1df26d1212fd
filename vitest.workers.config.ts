import { defineConfig } from 'vitest/config';

/** `npm run workers`: several worker processes over a real PostgreSQL, killed, frozen and thawed. */
export default defineConfig({
  test: {
    include: ['test/workers/**/*.test.ts'],
    env: { FIDUCIAL_THREADS: '1' },
    fileParallelism: false,
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
});
