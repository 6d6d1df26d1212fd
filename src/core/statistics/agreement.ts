/**
 * Agreement between raters beyond what chance would give.
 *
 * Sources: Cohen (1960, weights 1968), Fleiss (1971), Krippendorff, "Computing Krippendorff's alpha-reliability" (2011)
 * for nominal, ordinal and interval values with missing ones. Intervals are bootstrapped over the items by the caller's
 * `Random`, because no closed form holds for all of them.
 */
import type { Random } from '../random.ts';
import { bootstrap } from './bootstrap.ts';
import { badInput, requireCount, requireSameLength } from './checks.ts';
import type { Estimate, IntervalOptions } from './estimate.ts';

/** A rater's category: text, or a number where order or distance counts. */
export type Category = string | number;

/**
 * Cohen's kappa of two raters over the same items. Undefined where both gave one and the same category throughout.
 *
 * @param weights `none` for nominal categories; `linear` or `quadratic` count how far numbers lie apart.
 * @throws FiducialError `statistics.bad-input` where chance alone would agree fully.
 * @example cohensKappa(['a', 'a', 'b', 'b'], ['a', 'b', 'b', 'b']) // 0.5
 */
export function cohensKappa(
  first: readonly Category[],
  second: readonly Category[],
  weights: 'none' | 'linear' | 'quadratic' = 'none',
): number {
  requireSameLength(['first', 'second'], first, second);
  requireCount('the number of items', first.length, 1);
  const distance = (a: Category, b: Category): number => {
    if (weights === 'none') return a === b ? 0 : 1;
    if (typeof a !== 'number' || typeof b !== 'number') {
      return badInput('a category', a, 'weights need numbers', "Pass numbers, or the weights 'none'.");
    }
    return weights === 'linear' ? Math.abs(a - b) : (a - b) ** 2;
  };
  const n = first.length;
  let seen = 0;
  for (let i = 0; i < n; i++) seen += distance(first[i]!, second[i]!) / n;
  let chance = 0;
  const [ours, theirs] = [count(first), count(second)];
  for (const [a, m] of ours) for (const [b, k] of theirs) chance += (distance(a, b) * m * k) / (n * n);
  if (chance === 0)
    badInput('the ratings', first[0], 'every one is the same, so kappa is undefined', 'Report the raw agreement.');
  return 1 - seen / chance;
}

/**
 * Fleiss' kappa. `counts[item][category]` is how many raters chose the category; every item has the same number of
 * raters, at least two.
 *
 * @example fleissKappa([[2, 0], [0, 2], [1, 1]]) // 0.333...
 */
export function fleissKappa(counts: readonly (readonly number[])[]): number {
  requireCount('the number of items', counts.length, 1);
  const sum = (row: readonly number[]): number => row.reduce((a, b) => a + b, 0);
  const raters = sum(counts[0]!);
  requireCount('the number of raters', raters, 2);
  const totals = counts[0]!.map(() => 0);
  let seen = 0;
  for (const [i, row] of counts.entries()) {
    requireSameLength(['counts[0]', `counts[${i}]`], totals, row);
    row.forEach((k, j) => {
      requireCount(`counts[${i}][${j}]`, k);
      totals[j]! += k;
      seen += (k * (k - 1)) / (raters * (raters - 1) * counts.length);
    });
    if (sum(row) !== raters) {
      badInput(
        `the raters of item ${i}`,
        sum(row),
        `all items need ${raters}`,
        'For missing ratings use krippendorffsAlpha.',
      );
    }
  }
  const chance = totals.reduce((all, total) => all + (total / (raters * counts.length)) ** 2, 0);
  if (chance === 1)
    badInput('the ratings', totals, 'all are in one category, so kappa is undefined', 'Report the raw agreement.');
  return (seen - chance) / (1 - chance);
}

export type MeasurementLevel = 'nominal' | 'ordinal' | 'interval';

/**
 * Krippendorff's alpha. `ratings[rater][item]` is a category, or undefined (or null) where the rater gave none; items
 * with fewer than two ratings say nothing and are passed over. Ordinal and interval values are numbers.
 *
 * @example krippendorffsAlpha([[1, 2, 3, undefined], [1, 2, 3, 3]], 'nominal') // 1
 */
export function krippendorffsAlpha(
  ratings: readonly (readonly (Category | null | undefined)[])[],
  level: MeasurementLevel = 'nominal',
): number {
  return alphaOfItems(itemsOf(ratings), level);
}

/** {@link krippendorffsAlpha} with the bootstrap interval over items. */
export function krippendorffsAlphaInterval(
  ratings: readonly (readonly (Category | null | undefined)[])[],
  level: MeasurementLevel,
  random: Random,
  options: IntervalOptions = {},
): Estimate {
  const items = itemsOf(ratings);
  const value = alphaOfItems(items, level);
  const { low, high } = bootstrap(items, (sample) => alphaOrOne(sample, level), random, {
    ...options,
    method: 'percentile',
    resamples: 1000,
  });
  return { value, low, high };
}

/** {@link cohensKappa} with the bootstrap interval over items. */
export function cohensKappaInterval(
  first: readonly Category[],
  second: readonly Category[],
  random: Random,
  options: IntervalOptions & { readonly weights?: 'none' | 'linear' | 'quadratic' } = {},
): Estimate {
  requireSameLength(['first', 'second'], first, second);
  const whole = cohensKappa(first, second, options.weights);
  const pairs = first.map((category, i) => [category, second[i]!] as const);
  const kappa = (sample: readonly (readonly [Category, Category])[]): number => {
    const [a, b] = [sample.map((p) => p[0]), sample.map((p) => p[1])];
    return isConstant([...a, ...b]) ? 1 : cohensKappa(a, b, options.weights);
  };
  const { low, high } = bootstrap(pairs, kappa, random, { ...options, method: 'percentile' });
  return { value: whole, low, high };
}

function itemsOf(ratings: readonly (readonly (Category | null | undefined)[])[]): Category[][] {
  requireCount('the number of raters', ratings.length, 2);
  ratings.forEach((row, i) => requireSameLength(['ratings[0]', `ratings[${i}]`], ratings[0]!, row));
  const items = ratings[0]!.map((_, item) =>
    ratings.flatMap((row) => {
      const value = row[item];
      return value === null || value === undefined ? [] : [value];
    }),
  );
  return items.filter((values) => values.length >= 2);
}

/** A resample in which only one category is left agrees fully. */
function alphaOrOne(items: readonly (readonly Category[])[], level: MeasurementLevel): number {
  return isConstant(items.flat()) ? 1 : alphaOfItems(items, level);
}

function isConstant(values: readonly Category[]): boolean {
  return values.every((value) => value === values[0]);
}

function alphaOfItems(items: readonly (readonly Category[])[], level: MeasurementLevel): number {
  const values = items.flat();
  requireCount('the number of items with two ratings', items.length, 1);
  if (isConstant(values))
    badInput('the ratings', values[0], 'all are the same, so alpha is undefined', 'Report the raw agreement.');
  const totals = count(values);
  const distance = distanceOf(level, totals);
  let seen = 0;
  for (const item of items) {
    const own = [...count(item)];
    for (const [a, m] of own) for (const [b, k] of own) seen += (distance(a, b) * m * k) / (item.length - 1);
  }
  let chance = 0;
  for (const [a, m] of totals) for (const [b, k] of totals) chance += (distance(a, b) * m * k) / (values.length - 1);
  return 1 - seen / chance;
}

function distanceOf(
  level: MeasurementLevel,
  totals: ReadonlyMap<Category, number>,
): (a: Category, b: Category) => number {
  if (level === 'nominal') return (a, b) => (a === b ? 0 : 1);
  const wrong = [...totals.keys()].find((value) => typeof value !== 'number' || !Number.isFinite(value));
  if (wrong !== undefined)
    badInput('a rating', wrong, `${level} values must be finite numbers`, "Pass numbers, or the level 'nominal'.");
  if (level === 'interval') return (a, b) => (Number(a) - Number(b)) ** 2;
  // Ordinal distance is the number of ratings from a to b, half of those at either end.
  const places = new Map<Category, number>();
  let below = 0;
  for (const [value, k] of [...totals].sort((a, b) => Number(a[0]) - Number(b[0]))) {
    places.set(value, below + k / 2);
    below += k;
  }
  return (a, b) => (places.get(a)! - places.get(b)!) ** 2;
}

function count(values: readonly Category[]): Map<Category, number> {
  const counts = new Map<Category, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}
