/**
 * The statistics of a benchmark: medians and quartiles of repeated runs, and ratios of runs made in turn.
 *
 * Quantiles are type 7 of Hyndman and Fan, "Sample quantiles in statistical packages" (1996), the default of R and
 * NumPy. A ratio is formed pair by pair before it is summarised, so that a machine that slows down for a while slows
 * both sides of a pair and leaves the ratio alone.
 */
import { FiducialError } from '../../src/core/errors.ts';

export interface Summary {
  /** How many values. */
  readonly runs: number;
  readonly min: number;
  /** First quartile. */
  readonly q1: number;
  readonly median: number;
  /** Third quartile. */
  readonly q3: number;
  readonly max: number;
}

/**
 * The quantile of ascending values at `share` in [0, 1], linear between neighbours.
 *
 * @example
 * quantile([1, 2, 3, 4], 0.5); // 2.5
 */
export function quantile(ascending: readonly number[], share: number): number {
  const at = (ascending.length - 1) * share;
  const [low, high] = [ascending[Math.floor(at)]!, ascending[Math.ceil(at)]!];
  return low + (high - low) * (at - Math.floor(at));
}

/**
 * Minimum, quartiles and maximum of the values, in any order.
 *
 * @throws FiducialError `bench.no-runs` where there is none, `bench.not-finite` where one is no number.
 */
export function summarise(values: readonly number[]): Summary {
  if (values.length === 0) throw new FiducialError('bench.no-runs', 'no run was recorded', 'Ask for at least one run.');
  const bad = values.find((value) => !Number.isFinite(value));
  if (bad !== undefined) {
    throw new FiducialError('bench.not-finite', `a run gave ${bad}`, 'Look for a division by zero in the bench.');
  }
  const ascending = values.toSorted((a, b) => a - b);
  const at = (share: number): number => quantile(ascending, share);
  return { runs: values.length, min: at(0), q1: at(0.25), median: at(0.5), q3: at(0.75), max: at(1) };
}

/**
 * Summary of `numerators[i] / denominators[i]`, where run i of both was made in the same turn.
 *
 * @throws FiducialError `bench.unpaired` where the lengths differ, and what {@link summarise} throws.
 */
export function summariseRatios(numerators: readonly number[], denominators: readonly number[]): Summary {
  if (numerators.length !== denominators.length) {
    throw new FiducialError(
      'bench.unpaired',
      `${numerators.length} runs against ${denominators.length}: they form no pairs`,
      'Measure both in one compare().',
    );
  }
  return summarise(numerators.map((value, index) => value / denominators[index]!));
}
