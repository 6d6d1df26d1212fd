/**
 * The kill harness, shortened for CI: six kills over SQLite. `npm run kill` makes 200 of them, on both stores.
 */
import { expect, it } from 'vitest';
import { killAndResume } from './harness.ts';

it('a run killed at random moments ends with the figures of a whole one and repeats no finished call', async () => {
  const concurrency = 8;
  const report = await killAndResume({ kills: 6, seed: 1, concurrency });
  expect(report.kills).toBeGreaterThanOrEqual(4);
  expect(report.repeatedAfterCommit).toEqual([]);
  expect(report.mostRepeated).toBeLessThanOrEqual(concurrency);
  expect(report.killed).toEqual(report.whole);
  // The calls in flight at the kills were really asked twice: the kills fell while the run was at work.
  expect(report.answered).toBeGreaterThan(report.distinct);
}, 120_000);
