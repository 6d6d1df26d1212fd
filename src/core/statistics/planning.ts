/**
 * How many items a question needs, and what a given number can tell: before the money is spent.
 *
 * Sources: the score test's normal approximation for one and for two proportions (as R's power.prop.test), Connor (1987)
 * for McNemar's paired test; for one proportion also the exact power of the exact test. All tests are two-sided.
 */
import { badInput, requireCount, requireInside, requireProbability } from './checks.ts';
import { binomialCdf, binomialProbability, normalCdf, normalQuantile } from './distributions.ts';
import { confidenceOf } from './estimate.ts';
import type { IntervalOptions } from './estimate.ts';
import { normalCritical } from './distributions.ts';
import { wilsonOfShare } from './proportion.ts';

export interface PlanOptions {
  /** Chance of a false alarm; 0.05 unless told. */
  readonly level?: number;
  /** Chance of finding what is there; 0.8 unless told. */
  readonly power?: number;
}

function levels(options: PlanOptions): { alpha: number; beta: number; level: number } {
  const level = options.level ?? 0.05;
  const power = options.power ?? 0.8;
  requireInside('level', level);
  requireInside('power', power);
  return { alpha: -normalQuantile(level / 2), beta: normalQuantile(power), level };
}

/**
 * Items for a Wilson interval whose ends lie within `halfWidth` of its centre where the rate is `rate` (0.5, the worst,
 * unless told).
 *
 * @example sizeForPrecision(0.05) // 381
 */
export function sizeForPrecision(halfWidth: number, rate = 0.5, options?: IntervalOptions): number {
  requireInside('halfWidth', halfWidth);
  requireProbability('rate', rate);
  if (halfWidth >= 0.5) badInput('halfWidth', halfWidth, 'it must be below 0.5', 'Ask for a narrower interval.');
  const critical = normalCritical(confidenceOf(options));
  return leastCount((n) => {
    const { low, high } = wilsonOfShare(rate, n, critical);
    return (high - low) / 2 <= halfWidth;
  });
}

/**
 * Items after which not one breach shows, with `confidence`, that the rate lies below `rate`.
 *
 * @example sizeForNone(0.01) // 299
 */
export function sizeForNone(rate: number, options?: IntervalOptions): number {
  requireInside('rate', rate);
  return Math.ceil(Math.log1p(-confidenceOf(options)) / Math.log1p(-rate));
}

/**
 * Items to tell the rate `actual` from the known rate `assumed`.
 *
 * @example sizeForOneProportion(0.1, 0.2) // 86
 */
export function sizeForOneProportion(assumed: number, actual: number, options: PlanOptions = {}): number {
  requireDifferent(assumed, actual);
  const { alpha, beta } = levels(options);
  const top = alpha * Math.sqrt(assumed * (1 - assumed)) + beta * Math.sqrt(actual * (1 - actual));
  return Math.ceil((top / (actual - assumed)) ** 2);
}

/**
 * The exact power of the exact binomial test at n items: each tail is rejected where its probability under `assumed` is
 * at most half the level.
 *
 * @example powerOfOneProportion(100, 0.1, 0.2) // 0.8077
 */
export function powerOfOneProportion(n: number, assumed: number, actual: number, level = 0.05): number {
  requireCount('n', n, 1);
  requireDifferent(assumed, actual);
  requireInside('level', level);
  let power = 0;
  for (let k = 0; k <= n; k++) {
    const isLow = binomialCdf(k, n, assumed) <= level / 2;
    const isHigh = k > 0 && 1 - binomialCdf(k - 1, n, assumed) <= level / 2;
    if (isLow || isHigh) power += binomialProbability(k, n, actual);
  }
  return power;
}

/**
 * Items on each side to tell two independent rates apart.
 *
 * @example sizeForTwoProportions(0.5, 0.35) // 170
 */
export function sizeForTwoProportions(first: number, second: number, options: PlanOptions = {}): number {
  requireDifferent(first, second);
  const { alpha, beta } = levels(options);
  const pooled = (first + second) / 2;
  const top =
    alpha * Math.sqrt(2 * pooled * (1 - pooled)) + beta * Math.sqrt(first * (1 - first) + second * (1 - second));
  return Math.ceil((top / (first - second)) ** 2);
}

/** The power of n items on each side; the converse of {@link sizeForTwoProportions}. */
export function powerOfTwoProportions(n: number, first: number, second: number, level = 0.05): number {
  requireCount('n', n, 1);
  requireDifferent(first, second);
  const { alpha } = levels({ level });
  const pooled = (first + second) / 2;
  const spread = Math.sqrt(first * (1 - first) + second * (1 - second));
  return normalCdf((Math.sqrt(n) * Math.abs(first - second) - alpha * Math.sqrt(2 * pooled * (1 - pooled))) / spread);
}

/**
 * Pairs for McNemar's test, given the shares of pairs in which only the first and only the second outcome is 1.
 * Planning on the same items for both sides usually needs far fewer than {@link sizeForTwoProportions}.
 *
 * @example sizeForPaired(0.15, 0.05) // 155
 */
export function sizeForPaired(firstOnly: number, secondOnly: number, options: PlanOptions = {}): number {
  const { discordant, difference } = discordance(firstOnly, secondOnly);
  const { alpha, beta } = levels(options);
  const top = alpha * Math.sqrt(discordant) + beta * Math.sqrt(discordant - difference ** 2);
  return Math.ceil((top / difference) ** 2);
}

/** The power of n pairs; the converse of {@link sizeForPaired}. */
export function powerOfPaired(n: number, firstOnly: number, secondOnly: number, level = 0.05): number {
  requireCount('n', n, 1);
  const { discordant, difference } = discordance(firstOnly, secondOnly);
  const { alpha } = levels({ level });
  const reached = Math.sqrt(n) * Math.abs(difference) - alpha * Math.sqrt(discordant);
  return normalCdf(reached / Math.sqrt(discordant - difference ** 2));
}

function discordance(firstOnly: number, secondOnly: number): { discordant: number; difference: number } {
  requireDifferent(firstOnly, secondOnly);
  const discordant = firstOnly + secondOnly;
  requireProbability('firstOnly + secondOnly', discordant);
  return { discordant, difference: firstOnly - secondOnly };
}

function requireDifferent(first: number, second: number): void {
  requireProbability('the first rate', first);
  requireProbability('the second rate', second);
  if (first === second) {
    badInput(
      'the second rate',
      second,
      'it equals the first, so no number of items tells them apart',
      'Name the smallest difference that matters.',
    );
  }
}

function leastCount(isEnough: (n: number) => boolean): number {
  let high = 1;
  while (!isEnough(high)) high *= 2;
  let low = high / 2;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (isEnough(middle)) high = middle;
    else low = middle;
  }
  return high;
}
