import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'bench/**/*.test.ts', 'examples/**/*.test.ts'],
    // Many processes over PostgreSQL, a minute and a half: `npm run workers`.
    exclude: ['**/node_modules/**', 'test/workers/**'],
    pool: 'threads',
    isolate: false,
    // Files run side by side, and under load a slow machine is no fault: one thread a session, and generous limits.
    env: { FIDUCIAL_THREADS: '1' },
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
