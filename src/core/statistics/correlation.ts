/**
 * Rank correlations: Spearman's rho and Kendall's tau-b, both with ties.
 *
 * Sources: Spearman (1904) with the t approximation of its p-value and Bonett and Wright's interval (2000); Kendall
 * (1945) with the normal approximation whose variance counts ties. Kendall's pairs are counted one by one: O(n^2).
 */
import { badInput, requireSameLength, requireSample } from './checks.ts';
import { normalCritical, twoSidedNormal, twoSidedStudent } from './distributions.ts';
import { confidenceOf } from './estimate.ts';
import type { Estimate, IntervalOptions } from './estimate.ts';
import { rank } from './ranks.ts';

export interface Correlation extends Estimate {
  readonly p: number;
  readonly n: number;
}

/**
 * @throws FiducialError `statistics.bad-input` for fewer than four pairs, or where one side is constant.
 * @example spearman([1, 2, 3, 4, 5], [2, 1, 4, 3, 5]).value // 0.8
 */
export function spearman(x: ArrayLike<number>, y: ArrayLike<number>, options?: IntervalOptions): Correlation {
  requirePairs(x, y);
  const n = x.length;
  const value = pearson(rank(x).ranks, rank(y).ranks);
  const critical = normalCritical(confidenceOf(options));
  const half = critical * Math.sqrt((1 + (value * value) / 2) / (n - 3));
  const isPerfect = 1 - Math.abs(value) < 1e-15;
  const t = value * Math.sqrt((n - 2) / Math.max(1e-300, 1 - value * value));
  return {
    value,
    low: isPerfect ? value : Math.tanh(Math.atanh(value) - half),
    high: isPerfect ? value : Math.tanh(Math.atanh(value) + half),
    p: isPerfect ? 0 : twoSidedStudent(t, n - 2),
    n,
  };
}

/**
 * Kendall's tau-b: concordant less discordant pairs over the pairs tied on neither side (geometric mean).
 *
 * @example kendall([1, 2, 3, 4, 5], [2, 1, 4, 3, 5]).value // 0.6
 */
export function kendall(x: ArrayLike<number>, y: ArrayLike<number>, options?: IntervalOptions): Correlation {
  requirePairs(x, y);
  const n = x.length;
  let score = 0;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) score += Math.sign(x[i]! - x[j]!) * Math.sign(y[i]! - y[j]!);
  }
  const all = (n * (n - 1)) / 2;
  const [a, b] = [rank(x).ties, rank(y).ties];
  const over = (ties: readonly number[], term: (t: number) => number): number => ties.reduce((s, t) => s + term(t), 0);
  const pairs = (t: number): number => (t * (t - 1)) / 2;
  const value = score / Math.sqrt((all - over(a, pairs)) * (all - over(b, pairs)));
  const spread = (t: number): number => t * (t - 1) * (2 * t + 5);
  const triples = (t: number): number => t * (t - 1) * (t - 2);
  const variance =
    (spread(n) - over(a, spread) - over(b, spread)) / 18 +
    (2 * over(a, pairs) * over(b, pairs)) / (n * (n - 1)) +
    (over(a, triples) * over(b, triples)) / (9 * triples(n));
  // Fieller, Hartley and Pearson (1957): arctanh(tau) has variance near 0.437 / (n - 4).
  const half = n > 4 ? normalCritical(confidenceOf(options)) * Math.sqrt(0.437 / (n - 4)) : Infinity;
  const isPerfect = 1 - Math.abs(value) < 1e-15;
  return {
    value,
    low: isPerfect ? value : Math.tanh(Math.atanh(value) - half),
    high: isPerfect ? value : Math.tanh(Math.atanh(value) + half),
    p: twoSidedNormal(score / Math.sqrt(variance)),
    n,
  };
}

function requirePairs(x: ArrayLike<number>, y: ArrayLike<number>): void {
  requireSample('x', x, 4);
  requireSample('y', y, 4);
  requireSameLength(['x', 'y'], x, y);
  for (const [name, values] of [
    ['x', x],
    ['y', y],
  ] as const) {
    if (Array.from(values).every((value) => value === values[0])) {
      badInput(name, values[0], 'all its values are equal, so no correlation exists', 'Compare values that vary.');
    }
  }
}

function pearson(a: Float64Array, b: Float64Array): number {
  const centre = (a.length + 1) / 2;
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [u, v] = [a[i]! - centre, b[i]! - centre];
    ab += u * v;
    aa += u * u;
    bb += v * v;
  }
  return Math.max(-1, Math.min(1, ab / Math.sqrt(aa * bb)));
}
