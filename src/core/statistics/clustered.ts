/**
 * Means and rates of observations that come in clusters: several paraphrases of one request, several turns of one
 * conversation. What is alike inside a cluster counts once, not as often as it was seen.
 *
 * Sources: Liang and Zeger (1986) with the factor G / (G - 1) for the standard error; Miller, "Adding error bars to
 * evals" (2024), for its use; Korn and Graubard (1998) for the interval of a rate: Wilson's at the effective number of
 * trials with Student's critical value.
 */
import { badInput, requireSameLength, requireSample } from './checks.ts';
import { normalCritical, studentCritical } from './distributions.ts';
import { confidenceOf } from './estimate.ts';
import type { Estimate, IntervalOptions } from './estimate.ts';
import { wilsonOfShare } from './proportion.ts';

export interface ClusteredMean extends Estimate {
  readonly standardError: number;
  readonly n: number;
  readonly clusters: number;
  /** Variance of the mean over what it would be if every value were independent. */
  readonly designEffect: number;
}

/**
 * The mean with its cluster-robust standard error and Student's interval with (clusters - 1) degrees. Without
 * `clusters` each value is its own cluster, which gives the ordinary t interval.
 *
 * @throws FiducialError `statistics.bad-input` for fewer than two clusters.
 * @example clusteredMean([1, 1, 0, 0], ['a', 'a', 'b', 'b']).standardError // 0.5
 */
export function clusteredMean(
  values: ArrayLike<number>,
  clusters?: readonly string[],
  options?: IntervalOptions,
): ClusteredMean {
  const confidence = confidenceOf(options);
  const parts = clusteredVariance(values, clusters);
  if (parts.clusters < 2) {
    badInput('the number of clusters', parts.clusters, 'at least two are needed', 'Measure items of more clusters.');
  }
  const standardError = Math.sqrt(parts.variance);
  const half = studentCritical(confidence, parts.clusters - 1) * standardError;
  return {
    value: parts.mean,
    low: parts.mean - half,
    high: parts.mean + half,
    standardError,
    n: values.length,
    clusters: parts.clusters,
    designEffect: parts.designEffect,
  };
}

export interface ClusteredRate extends Estimate {
  readonly n: number;
  readonly clusters: number;
  /** The number of independent trials that would be as informative; at most `n`. */
  readonly effectiveN: number;
  /** How many standard errors the interval reaches to either side. */
  readonly critical: number;
}

/**
 * A rate over values of 0 and 1 that come in clusters. Where all values agree nothing can be learned of the likeness
 * inside clusters, so each cluster counts as one trial; the effective number never exceeds n.
 *
 * @example clusteredRate([1, 1, 0, 0, 0, 0], ['a', 'a', 'b', 'b', 'c', 'c']).effectiveN // 2.4
 */
export function clusteredRate(
  values: ArrayLike<number>,
  clusters: readonly string[],
  options?: IntervalOptions,
): ClusteredRate {
  const confidence = confidenceOf(options);
  const parts = clusteredVariance(values, clusters);
  const n = values.length;
  for (let i = 0; i < n; i++) {
    if (values[i] !== 0 && values[i] !== 1) {
      badInput(`values[${i}]`, values[i], 'a rate is made of 0 and 1', 'For graded values use clusteredMean.');
    }
  }
  const isConstant = parts.mean === 0 || parts.mean === 1;
  const isAlone = parts.clusters === 1;
  const effectiveN = isConstant || isAlone ? parts.clusters : Math.min(n, n / parts.designEffect);
  const hasOwnCluster = parts.clusters === n;
  const critical =
    isAlone || hasOwnCluster ? normalCritical(confidence) : studentCritical(confidence, parts.clusters - 1);
  return { ...wilsonOfShare(parts.mean, effectiveN, critical), n, clusters: parts.clusters, effectiveN, critical };
}

function clusteredVariance(
  values: ArrayLike<number>,
  clusters: readonly string[] | undefined,
): { mean: number; variance: number; clusters: number; designEffect: number } {
  requireSample('values', values);
  if (clusters !== undefined) requireSameLength(['values', 'clusters'], values, clusters);
  const n = values.length;
  let sum = 0;
  for (let i = 0; i < n; i++) sum += values[i]!;
  const mean = sum / n; // divided once: the mean of ones is 1 exactly
  const sums = new Map<string | number, number>();
  let squares = 0;
  for (let i = 0; i < n; i++) {
    const residual = values[i]! - mean;
    const cluster = clusters === undefined ? i : clusters[i]!;
    sums.set(cluster, (sums.get(cluster) ?? 0) + residual);
    squares += residual * residual;
  }
  const count = sums.size;
  let between = 0;
  for (const residual of sums.values()) between += residual * residual;
  const variance = count > 1 ? (between / (n * n)) * (count / (count - 1)) : Number.NaN;
  const independent = n > 1 ? squares / (n * (n - 1)) : Number.NaN;
  return { mean, variance, clusters: count, designEffect: squares === 0 ? 1 : variance / independent };
}
