/**
 * Comparisons of two proportions, independent or paired.
 *
 * Sources: Newcombe's hybrid of two Wilson intervals (1998, method 10); Miettinen and Nurminen's score interval (1985)
 * with its n / (n - 1); Fisher's exact test; Tango's score interval for the difference of paired proportions (1998).
 * The likelihood under a fixed difference is maximised in closed form where Tango gives it, else by bisection.
 */
import { requireTally, requireCount, badInput } from './checks.ts';
import { logChoose, normalCritical } from './distributions.ts';
import { confidenceOf } from './estimate.ts';
import type { Estimate, IntervalOptions, TestResult } from './estimate.ts';
import type { PairedTable } from './paired-tests.ts';
import { wilsonOfShare } from './proportion.ts';

/** Successes among the trials of one side. */
export interface Successes {
  readonly successes: number;
  readonly n: number;
}

/**
 * The difference first - second of two independent proportions, by Newcombe's interval (default) or Miettinen and
 * Nurminen's, which costs an iteration and covers a little better in small samples.
 *
 * @example differenceOfProportions({ successes: 56, n: 70 }, { successes: 48, n: 80 })
 * // { value: 0.2, low: 0.0524, high: 0.3339 }
 */
export function differenceOfProportions(
  first: Successes,
  second: Successes,
  options: IntervalOptions & { readonly method?: 'newcombe' | 'miettinen-nurminen' } = {},
): Estimate {
  requireTally(first.successes, first.n, ['first.successes', 'first.n']);
  requireTally(second.successes, second.n, ['second.successes', 'second.n']);
  const critical = normalCritical(confidenceOf(options));
  const [p, q] = [first.successes / first.n, second.successes / second.n];
  const value = p - q;
  if (options.method === 'miettinen-nurminen') {
    const score = (difference: number): number => {
      const share = shareGivenDifference(first, second, difference);
      const other = share - difference;
      const spread = (share * (1 - share)) / first.n + (other * (1 - other)) / second.n;
      const all = first.n + second.n;
      return (value - difference) / Math.sqrt(Math.max(1e-300, (spread * all) / (all - 1)));
    };
    return { value, ...scoreInterval(score, value, critical) };
  }
  const a = wilsonOfShare(p, first.n, critical);
  const b = wilsonOfShare(q, second.n, critical);
  return { value, low: value - Math.hypot(p - a.low, b.high - q), high: value + Math.hypot(a.high - p, q - b.low) };
}

/** The first share that makes the data likeliest where first - second is `difference`: the root of a falling slope. */
function shareGivenDifference(first: Successes, second: Successes, difference: number): number {
  let low = Math.max(0, difference);
  let high = Math.min(1, 1 + difference);
  const term = (count: number, share: number): number => (count === 0 ? 0 : count / share);
  for (let i = 0; i < 200 && high - low > 1e-16; i++) {
    const share = (low + high) / 2;
    const other = share - difference;
    const slope =
      term(first.successes, share) -
      term(first.n - first.successes, 1 - share) +
      term(second.successes, other) -
      term(second.n - second.successes, 1 - other);
    if (slope > 0) low = share;
    else high = share;
  }
  return (low + high) / 2;
}

/** Where a score that falls with the difference crosses ±critical, within -1 to 1. */
function scoreInterval(
  score: (difference: number) => number,
  value: number,
  critical: number,
): { low: number; high: number } {
  const solve = (inside: number, end: number, target: number): number => {
    let [near, far] = [inside, end];
    for (let i = 0; i < 100; i++) {
      const middle = (near + far) / 2;
      if (Math.abs(score(middle)) < target) near = middle;
      else far = middle;
    }
    return near;
  };
  return { low: value === -1 ? -1 : solve(value, -1, critical), high: value === 1 ? 1 : solve(value, 1, critical) };
}

/**
 * Fisher's exact test that two independent proportions are equal, two-sided: the probability of all tables, with
 * these margins, no likelier than the observed. `statistic` is the sample's odds ratio,
 * infinite or NaN where a cell that divides is empty.
 *
 * @example fisherExact({ successes: 3, n: 20 }, { successes: 11, n: 22 }).p // 0.0232
 */
export function fisherExact(first: Successes, second: Successes): TestResult {
  requireTally(first.successes, first.n, ['first.successes', 'first.n']);
  requireTally(second.successes, second.n, ['second.successes', 'second.n']);
  const successes = first.successes + second.successes;
  const n = first.n + second.n;
  const log = (k: number): number =>
    logChoose(first.n, k) + logChoose(second.n, successes - k) - logChoose(n, successes);
  const observed = log(first.successes);
  let p = 0;
  for (let k = Math.max(0, successes - second.n); k <= Math.min(first.n, successes); k++) {
    const at = log(k);
    // As R: tables within a relative 1e-7 count as equally likely.
    if (at <= observed + 1e-7) p += Math.exp(at);
  }
  const odds = (first.successes * (second.n - second.successes)) / (second.successes * (first.n - first.successes));
  return { p: Math.min(1, p), statistic: odds, n };
}

/**
 * The difference first - second of paired proportions, by Tango's score interval: what was gained or lost on the same
 * items.
 *
 * @example differenceOfPaired({ both: 20, firstOnly: 12, secondOnly: 2, neither: 16 }) // { value: 0.2, low: 0.0611, ... }
 */
export function differenceOfPaired(table: PairedTable, options?: IntervalOptions): Estimate {
  const critical = normalCritical(confidenceOf(options));
  for (const [name, count] of Object.entries(table)) requireCount(name, count);
  const { firstOnly, secondOnly } = table;
  const n = table.both + table.neither + firstOnly + secondOnly;
  if (n === 0) badInput('the number of pairs', n, 'at least one is needed', 'Measure the same items on both sides.');
  const value = (firstOnly - secondOnly) / n;
  const score = (difference: number): number => {
    const b = -firstOnly - secondOnly + (2 * n - firstOnly + secondOnly) * difference;
    const c = -secondOnly * difference * (1 - difference);
    const secondShare = (Math.sqrt(Math.max(0, b * b - 8 * n * c)) - b) / (4 * n);
    const variance = n * (2 * secondShare + difference * (1 - difference));
    return (firstOnly - secondOnly - n * difference) / Math.sqrt(Math.max(1e-300, variance));
  };
  return { value, ...scoreInterval(score, value, critical) };
}
