/**
 * Bootstrap intervals of any statistic, over items or over clusters of items.
 *
 * Source: Efron, "Better bootstrap confidence intervals" (1987) for BCa, with the bias taken as the mean rank of the
 * estimate among its replicates, so that ties (rates!) do not shift it; quantiles are linear between order statistics.
 * A percentile interval needs nothing else; BCa also recomputes the statistic with each item left out.
 */
import type { Random } from '../random.ts';
import { badInput, requireCount, requireSample } from './checks.ts';
import { normalCdf, normalQuantile } from './distributions.ts';
import { confidenceOf } from './estimate.ts';
import type { Estimate, IntervalOptions } from './estimate.ts';

export interface BootstrapOptions<T> extends IntervalOptions {
  /** `bca` (default) corrects for bias and skew; `percentile` takes the replicates' quantiles as they are. */
  readonly method?: 'bca' | 'percentile';
  /** Number of resamples; 2,000 unless told. */
  readonly resamples?: number;
  /** Items of one cluster are drawn and left out together. */
  readonly cluster?: (item: T) => string;
}

export interface BootstrapEstimate extends Estimate {
  readonly standardError: number;
  readonly resamples: number;
}

/**
 * The statistic of `items` and its bootstrap interval.
 *
 * @throws FiducialError `statistics.bad-input` for fewer than two items (or clusters), or where BCa is undefined.
 * @example
 * const mean = (sample: readonly number[]) => sample.reduce((a, b) => a + b, 0) / sample.length;
 * bootstrap([3, 1, 4, 1, 5, 9, 2, 6], mean, random(1)); // { value: 3.875, low: 2.375, high: 6, ... }
 */
export function bootstrap<T>(
  items: readonly T[],
  statistic: (sample: readonly T[]) => number,
  random: Random,
  options: BootstrapOptions<T> = {},
): BootstrapEstimate {
  const resamples = options.resamples ?? 2000;
  requireCount('resamples', resamples, 50);
  const confidence = confidenceOf(options);
  const groups = groupBy(items, options.cluster);
  if (groups.length < 2) {
    badInput('the number of items or clusters', groups.length, 'at least two are needed', 'Measure more of them.');
  }
  const value = statistic(items);
  const replicates = new Float64Array(resamples);
  for (let r = 0; r < resamples; r++) {
    replicates[r] = statistic(groups.flatMap(() => groups[random.integer(groups.length)]!));
  }
  requireSample('replicates', replicates);
  const mean = replicates.reduce((a, b) => a + b, 0) / resamples;
  const standardError = Math.sqrt(replicates.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (resamples - 1));
  const range =
    (options.method ?? 'bca') === 'percentile'
      ? percentileInterval(replicates, confidence)
      : bcaInterval(
          value,
          replicates,
          groups.map((_, out) => statistic(groups.flatMap((group, i) => (i === out ? [] : group)))),
          confidence,
        );
  return { value, ...range, standardError, resamples };
}

/** The middle `confidence` of the replicates. */
export function percentileInterval(replicates: ArrayLike<number>, confidence: number): { low: number; high: number } {
  const sorted = Float64Array.from(replicates).sort();
  return { low: quantile(sorted, (1 - confidence) / 2), high: quantile(sorted, (1 + confidence) / 2) };
}

/** Efron's BCa interval from replicates and the statistic with each item left out. */
export function bcaInterval(
  value: number,
  replicates: ArrayLike<number>,
  leftOut: ArrayLike<number>,
  confidence: number,
): { low: number; high: number } {
  requireSample('leftOut', leftOut, 2);
  const sorted = Float64Array.from(replicates).sort();
  if (sorted[0] === sorted[sorted.length - 1]) return { low: sorted[0]!, high: sorted[0]! };
  let below = 0;
  for (const x of sorted) below += x < value ? 1 : x === value ? 0.5 : 0;
  if (below === 0 || below === sorted.length) {
    badInput(
      'value',
      value,
      'all replicates lie to one side of it',
      "Pass { method: 'percentile' } or more resamples.",
    );
  }
  const bias = normalQuantile(below / sorted.length);
  const centre = Array.from(leftOut).reduce((a, b) => a + b, 0) / leftOut.length;
  let cubes = 0;
  let squares = 0;
  for (let i = 0; i < leftOut.length; i++) {
    const d = centre - leftOut[i]!;
    cubes += d ** 3;
    squares += d * d;
  }
  const acceleration = squares === 0 ? 0 : cubes / (6 * squares ** 1.5);
  const level = (z: number): number => normalCdf(bias + (bias + z) / (1 - acceleration * (bias + z)));
  const z = normalQuantile((1 - confidence) / 2);
  return { low: quantile(sorted, level(z)), high: quantile(sorted, level(-z)) };
}

/**
 * The p-quantile of ascending values, linear between order statistics (Hyndman and Fan's type 7).
 *
 * @example quantile([1, 2, 3, 4], 0.5) // 2.5
 */
export function quantile(sorted: ArrayLike<number>, p: number): number {
  const at = p * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (at - below) * (sorted[above]! - sorted[below]!);
}

function groupBy<T>(items: readonly T[], cluster: ((item: T) => string) | undefined): T[][] {
  if (cluster === undefined) return items.map((item) => [item]);
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = cluster(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return [...groups.values()];
}
