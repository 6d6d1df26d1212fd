/**
 * Tests of paired differences: the same items before and after, under one method and another.
 *
 * Sources: McNemar (1947), exact, and its mid-p form (Fagerland, Lydersen, Laake 2013); Fisher's sign-flip permutation
 * test, by all 2^n flips where that is few, else by drawn ones counted with the observed (Phipson and Smyth 2010);
 * Wilcoxon's signed ranks, exact up to 50 pairs even with ties (R gives up exactness there), normal beyond.
 */
import type { Random } from '../random.ts';
import { badInput, requireCount, requireSample } from './checks.ts';
import { binomialCdf, binomialProbability, twoSidedNormal } from './distributions.ts';
import type { TestResult } from './estimate.ts';
import { rank } from './ranks.ts';

/** Pairs of pass-or-fail outcomes, counted. */
export interface PairedTable {
  readonly both: number;
  /** Only the first outcome was 1. */
  readonly firstOnly: number;
  /** Only the second outcome was 1. */
  readonly secondOnly: number;
  readonly neither: number;
}

/** Counts pairs of 0 and 1. */
export function pairedTable(pairs: Iterable<{ readonly first: number; readonly second: number }>): PairedTable {
  const counts = { both: 0, firstOnly: 0, secondOnly: 0, neither: 0 };
  for (const { first, second } of pairs) {
    if ((first !== 0 && first !== 1) || (second !== 0 && second !== 1)) {
      badInput(
        'a pair',
        [first, second],
        'both must be 0 or 1',
        'For graded values use signFlipTest or wilcoxonSignedRank.',
      );
    }
    counts[first === 1 ? (second === 1 ? 'both' : 'firstOnly') : second === 1 ? 'secondOnly' : 'neither'] += 1;
  }
  return counts;
}

/**
 * McNemar's test that the two outcomes have one rate. Only discordant pairs speak; with none, p is 1.
 *
 * The mid-p form (default) counts half of the observed table: nearer to the nominal level than the exact test, which
 * is conservative and is had with `exact`.
 *
 * @example mcnemar({ firstOnly: 1, secondOnly: 9 }).p // 0.0117
 */
export function mcnemar(
  table: Pick<PairedTable, 'firstOnly' | 'secondOnly'>,
  kind: 'mid-p' | 'exact' = 'mid-p',
): TestResult {
  const { firstOnly, secondOnly } = table;
  requireCount('firstOnly', firstOnly);
  requireCount('secondOnly', secondOnly);
  const n = firstOnly + secondOnly;
  if (n === 0) return { p: 1, statistic: 0, n };
  const least = Math.min(firstOnly, secondOnly);
  const exact = Math.min(1, 2 * binomialCdf(least, n, 0.5));
  const p = kind === 'exact' ? exact : Math.min(1, 2 * binomialCdf(least, n, 0.5) - binomialProbability(least, n, 0.5));
  return { p, statistic: firstOnly - secondOnly, n };
}

/** Up to here all sign flips are tried: 2^16 of them. */
const EXACT_FLIPS = 16;

/**
 * Permutation test that the differences are symmetric about 0; the statistic is their mean. Where differences come in
 * clusters, pass the sum per cluster, so that whole clusters flip.
 *
 * @example signFlipTest([1.2, 0.4, 0.9, 1.1], random(1)).p // 0.125 = 2 / 2^4
 */
export function signFlipTest(differences: ArrayLike<number>, random: Random, draws = 10_000): TestResult {
  requireSample('differences', differences);
  requireCount('draws', draws, 100);
  const values = Array.from(differences).filter((d) => d !== 0);
  const n = differences.length;
  const sum = values.reduce((a, b) => a + b, 0);
  const statistic = sum / n;
  if (values.length === 0) return { p: 1, statistic: 0, n };
  // Flips that tie with the observed sum must count, whatever rounding does to their order of summation.
  const threshold = Math.abs(sum) - 1e-12 * values.reduce((a, b) => a + Math.abs(b), 0);
  if (values.length <= EXACT_FLIPS) {
    let extreme = 0;
    const total = 2 ** values.length;
    for (let mask = 0; mask < total; mask++) {
      let flipped = 0;
      for (let i = 0; i < values.length; i++) flipped += mask & (1 << i) ? -values[i]! : values[i]!;
      if (Math.abs(flipped) >= threshold) extreme += 1;
    }
    return { p: extreme / total, statistic, n };
  }
  let extreme = 0;
  for (let draw = 0; draw < draws; draw++) {
    let flipped = 0;
    for (let i = 0, word = 0; i < values.length; i++) {
      if (i % 32 === 0) word = random.bits32();
      flipped += word & 1 ? values[i]! : -values[i]!;
      word >>>= 1;
    }
    if (Math.abs(flipped) >= threshold) extreme += 1;
  }
  return { p: (extreme + 1) / (draws + 1), statistic, n };
}

/** Up to here the distribution of the rank sum is counted out. */
const EXACT_RANKS = 50;

/**
 * Wilcoxon's signed-rank test that the differences are symmetric about 0. Zero differences are left out; `statistic`
 * is the sum of the ranks of the positive ones and `n` the number of differences used. Beyond 50 of them p is normal,
 * with the correction for ties and for continuity.
 *
 * @example wilcoxonSignedRank([1.1, 2.2, 3.3, 4.4, -0.5]).p // 0.125
 */
export function wilcoxonSignedRank(differences: ArrayLike<number>): TestResult {
  requireSample('differences', differences);
  const values = Array.from(differences).filter((d) => d !== 0);
  const n = values.length;
  if (n === 0) return { p: 1, statistic: 0, n };
  const { ranks, ties } = rank(values.map(Math.abs));
  const statistic = values.reduce((sum, d, i) => sum + (d > 0 ? ranks[i]! : 0), 0);
  const mean = (n * (n + 1)) / 4;
  if (n > EXACT_RANKS) {
    const tied = ties.reduce((sum, t) => sum + t ** 3 - t, 0);
    const deviation = Math.sqrt((n * (n + 1) * (2 * n + 1)) / 24 - tied / 48);
    const distance = Math.max(0, Math.abs(statistic - mean) - 0.5);
    return { p: twoSidedNormal(distance / deviation), statistic, n };
  }
  // Doubled, mean ranks are whole: the number of sign patterns with each doubled sum is counted rank by rank.
  const counts = new Float64Array(n * (n + 1) + 1);
  counts[0] = 1;
  for (const r of ranks) {
    const step = Math.round(2 * r);
    for (let sum = counts.length - 1; sum >= step; sum--) counts[sum]! += counts[sum - step]!;
  }
  const distance = Math.abs(2 * statistic - 2 * mean);
  let extreme = 0;
  for (let sum = 0; sum < counts.length; sum++) if (Math.abs(sum - 2 * mean) >= distance) extreme += counts[sum]!;
  return { p: Math.min(1, extreme / 2 ** n), statistic, n };
}
