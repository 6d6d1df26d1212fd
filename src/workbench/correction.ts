/**
 * A judge's measured errors, read from a run of `evaluate/judge`, for the correction of rates that this judge gave.
 */
import { FiducialError } from '../core/errors.ts';
import type { Confusion } from '../core/statistics/judge-error.ts';
import type { Run, Store } from '../store/store.ts';
import type { Correction } from './figures.ts';
import { readOutcome } from './figures.ts';

/**
 * The correction that a run measured.
 *
 * @throws FiducialError `correction.none` where that run measured no judge
 * @example const correction = await readCorrection(store, await store.run('a1b2'));
 */
export async function readCorrection(store: Store, run: Run): Promise<Correction> {
  const by = (await readOutcome(run))?.outcome.products?.['confusion'];
  if (by === undefined) {
    throw new FiducialError(
      'correction.none',
      `Run ${run.id} (${run.spec.method}) measured no judge`,
      'Name a finished run of evaluate/judge.',
    );
  }
  const kept = (await store.artefacts.getJson(by)) as unknown as { judge: string; confusion: Confusion };
  return { judge: kept.judge, confusion: kept.confusion, by };
}
