/**
 * How well a score separates positives from negatives: area under the ROC curve, part of it, and the rate of true
 * positives at a stated rate of false alarms.
 *
 * Sources: DeLong, DeLong and Clarke-Pearson (1988) for the variance, by Sun and Xu's midranks (2014), with the interval
 * on the logit scale so that it stays in [0, 1]; McClish (1989) for the standardised partial area. A higher score means
 * "more likely positive"; labels are 1 and 0, or true and false.
 */
import type { Random } from '../random.ts';
import { quantile } from './bootstrap.ts';
import {
  badInput,
  requireCount,
  requireFinite,
  requireInside,
  requireProbability,
  requireSameLength,
} from './checks.ts';
import { normalCritical, twoSidedNormal } from './distributions.ts';
import { confidenceOf } from './estimate.ts';
import type { Estimate, IntervalOptions } from './estimate.ts';
import { wilson, wilsonOfShare } from './proportion.ts';
import { rank } from './ranks.ts';

type Labels = ArrayLike<number | boolean>;

export interface RocArea extends Estimate {
  readonly standardError: number;
  readonly positives: number;
  readonly negatives: number;
}

/**
 * The area under the ROC curve: the probability that a positive scores above a negative, ties counting half. Where the
 * two are perfectly separated DeLong's variance is 0, and the interval is Wilson's at the smaller of the two counts.
 *
 * @throws FiducialError `statistics.bad-input` without at least one positive and one negative.
 * @example auroc([0.9, 0.8, 0.3, 0.1], [1, 0, 1, 0]).value // 0.75
 */
export function auroc(scores: ArrayLike<number>, labels: Labels, options?: IntervalOptions): RocArea {
  const { positives, negatives } = split(scores, labels);
  const critical = normalCritical(confidenceOf(options));
  const { value, variance } = covariance([{ positives, negatives }]);
  const area = value[0]!;
  const standardError = Math.sqrt(variance[0]![0]!);
  const counts = { standardError, positives: positives.length, negatives: negatives.length };
  if (area === 0 || area === 1 || !(standardError > 0)) {
    return { ...wilsonOfShare(area, Math.min(positives.length, negatives.length), critical), ...counts };
  }
  const logit = Math.log(area / (1 - area));
  const half = (critical * standardError) / (area * (1 - area));
  const inverse = (z: number): number => 1 / (1 + Math.exp(-z));
  return { value: area, low: inverse(logit - half), high: inverse(logit + half), ...counts };
}

/**
 * DeLong's test that two scores of the same items have the same area; `value` is first - second.
 *
 * @example compareAuroc(probe, judge, labels) // { value: 0.03, low: -0.01, high: 0.07, p: 0.14 }
 */
export function compareAuroc(
  first: ArrayLike<number>,
  second: ArrayLike<number>,
  labels: Labels,
  options?: IntervalOptions,
): Estimate & { readonly p: number } {
  const critical = normalCritical(confidenceOf(options));
  const areas = covariance([split(first, labels), split(second, labels)]);
  const value = areas.value[0]! - areas.value[1]!;
  const [[a, ab], [, b]] = areas.variance as [[number, number], [number, number]];
  const deviation = Math.sqrt(Math.max(0, a + b - 2 * ab));
  const p = deviation === 0 ? (value === 0 ? 1 : 0) : twoSidedNormal(value / deviation);
  return { value, low: value - critical * deviation, high: value + critical * deviation, p };
}

/** A point of the ROC curve; `threshold` is the lowest score that counts as positive there. */
export interface RocPoint {
  readonly threshold: number;
  readonly falsePositiveRate: number;
  readonly truePositiveRate: number;
}

/**
 * The ROC curve from (0, 0), threshold Infinity, to (1, 1), one point for each distinct score.
 *
 * @example rocCurve([0.9, 0.1], [1, 0]).length // 3
 */
export function rocCurve(scores: ArrayLike<number>, labels: Labels): RocPoint[] {
  const { positives, negatives } = split(scores, labels);
  const order = Array.from(scores, (_, i) => i).sort((a, b) => scores[b]! - scores[a]!);
  const points: RocPoint[] = [{ threshold: Infinity, falsePositiveRate: 0, truePositiveRate: 0 }];
  let [hits, alarms] = [0, 0];
  for (const [place, i] of order.entries()) {
    if (isPositive(labels[i])) hits += 1;
    else alarms += 1;
    const next = order[place + 1];
    if (next !== undefined && scores[next] === scores[i]) continue;
    points.push({
      threshold: scores[i]!,
      falsePositiveRate: alarms / negatives.length,
      truePositiveRate: hits / positives.length,
    });
  }
  return points;
}

/**
 * The area under the ROC curve up to a rate of false alarms. `area` lies in [0, maxFalsePositiveRate]; `standardised`
 * is McClish's, 0.5 for chance and 1 for perfect.
 *
 * @example partialAuroc(scores, labels, 0.1) // { area: 0.06, standardised: 0.79 }
 */
export function partialAuroc(
  scores: ArrayLike<number>,
  labels: Labels,
  maxFalsePositiveRate: number,
): { readonly area: number; readonly standardised: number } {
  if (maxFalsePositiveRate !== 1) requireInside('maxFalsePositiveRate', maxFalsePositiveRate);
  const points = rocCurve(scores, labels);
  let area = 0;
  for (let i = 1; i < points.length; i++) {
    const [a, b] = [points[i - 1]!, points[i]!];
    const width = b.falsePositiveRate - a.falsePositiveRate;
    const used = Math.min(width, maxFalsePositiveRate - a.falsePositiveRate);
    if (used < 0) break;
    if (width === 0) continue; // a vertical step has no area
    const end = a.truePositiveRate + ((b.truePositiveRate - a.truePositiveRate) * used) / width;
    area += (used * (a.truePositiveRate + end)) / 2;
  }
  const chance = maxFalsePositiveRate ** 2 / 2;
  return { area, standardised: 0.5 * (1 + (area - chance) / (maxFalsePositiveRate - chance)) };
}

export interface OperatingPoint extends Estimate {
  /** Scores of at least this count as positive. */
  readonly threshold: number;
  /** The false alarms that the threshold gives on these negatives, at most the rate asked for. */
  readonly falsePositiveRate: Estimate;
}

/**
 * The rate of true positives at the lowest threshold whose rate of false alarms does not exceed `falsePositiveRate`,
 * with a bootstrap interval that draws positives and negatives apart and so carries the uncertainty of the threshold.
 * At the rates 0 and 1 the interval is at least Wilson's.
 *
 * @example truePositiveRateAt(scores, labels, 0.01, random(1)) // { value: 0.62, low: 0.48, high: 0.75, threshold: ... }
 */
export function truePositiveRateAt(
  scores: ArrayLike<number>,
  labels: Labels,
  falsePositiveRate: number,
  random: Random,
  options: IntervalOptions & { readonly resamples?: number } = {},
): OperatingPoint {
  requireProbability('falsePositiveRate', falsePositiveRate);
  const resamples = options.resamples ?? 2000;
  requireCount('resamples', resamples, 50);
  const confidence = confidenceOf(options);
  const { positives, negatives } = split(scores, labels);
  positives.sort();
  negatives.sort();
  const allowed = Math.floor(falsePositiveRate * negatives.length + 1e-9);
  const seen = shareAbove(positives, negatives, allowed);
  const replicates = new Float64Array(resamples);
  const draw = (values: Float64Array): Float64Array => {
    const drawn = new Float64Array(values.length);
    for (let i = 0; i < drawn.length; i++) drawn[i] = values[random.integer(values.length)]!;
    return drawn.sort();
  };
  for (let r = 0; r < resamples; r++) replicates[r] = shareAbove(draw(positives), draw(negatives), allowed).share;
  replicates.sort();
  const fixed = wilson(seen.hits, positives.length, { confidence });
  return {
    value: seen.share,
    low: Math.min(fixed.low, quantile(replicates, (1 - confidence) / 2)),
    high: Math.max(fixed.high, quantile(replicates, (1 + confidence) / 2)),
    threshold: seen.threshold,
    falsePositiveRate: wilson(seen.alarms, negatives.length, { confidence }),
  };
}

/** Both ascending: the lowest positive score, or just above a negative one, with at most `allowed` false alarms. */
function shareAbove(positives: Float64Array, negatives: Float64Array, allowed: number) {
  // The best score among the negatives that must not count; a threshold has to lie above it.
  const blocked = allowed >= negatives.length ? -Infinity : negatives[negatives.length - 1 - allowed]!;
  const first = countUpTo(positives, blocked);
  const hits = positives.length - first;
  const firstAlarm = countUpTo(negatives, blocked);
  const candidates = [positives[first], negatives[firstAlarm]].filter((score) => score !== undefined);
  return {
    hits,
    share: hits / positives.length,
    alarms: negatives.length - firstAlarm,
    threshold: candidates.length === 0 ? Infinity : Math.min(...candidates),
  };
}

/** How many of the ascending values are at most `limit`. */
function countUpTo(sorted: Float64Array, limit: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

interface Sides {
  readonly positives: Float64Array;
  readonly negatives: Float64Array;
}

/** Areas and the covariance matrix of their estimates, from DeLong's structural components. */
function covariance(scores: readonly Sides[]): { value: number[]; variance: number[][] } {
  const parts = scores.map(({ positives, negatives }) => {
    const [m, n] = [positives.length, negatives.length];
    const all = new Float64Array(m + n);
    all.set(positives);
    all.set(negatives, m);
    const together = rank(all).ranks;
    const [own, other] = [rank(positives).ranks, rank(negatives).ranks];
    return {
      hits: own.map((r, i) => (together[i]! - r) / n), // share of negatives below each positive
      clears: other.map((r, j) => 1 - (together[m + j]! - r) / m), // share of positives above each negative
    };
  });
  const mean = (x: Float64Array): number => x.reduce((a, b) => a + b, 0) / x.length;
  const cross = (x: Float64Array, y: Float64Array): number => {
    if (x.length < 2) return 0;
    const [a, b] = [mean(x), mean(y)];
    return x.reduce((sum, value, i) => sum + (value - a) * (y[i]! - b), 0) / ((x.length - 1) * x.length);
  };
  return {
    value: parts.map(({ hits }) => mean(hits)),
    variance: parts.map((a) => parts.map((b) => cross(a.hits, b.hits) + cross(a.clears, b.clears))),
  };
}

function isPositive(label: number | boolean | undefined): boolean {
  return label === 1 || label === true;
}

function split(scores: ArrayLike<number>, labels: Labels): Sides {
  requireSameLength(['scores', 'labels'], scores, labels);
  const [positives, negatives]: [number[], number[]] = [[], []];
  for (let i = 0; i < scores.length; i++) {
    requireFinite(`scores[${i}]`, scores[i]!);
    const label = labels[i];
    if (label !== 0 && label !== 1 && typeof label !== 'boolean') {
      badInput(
        `labels[${i}]`,
        label,
        'it must be 0, 1, false or true',
        'Leave undetermined items out and count them apart.',
      );
    }
    (isPositive(label) ? positives : negatives).push(scores[i]!);
  }
  requireCount('the number of positives', positives.length, 1);
  requireCount('the number of negatives', negatives.length, 1);
  return { positives: Float64Array.from(positives), negatives: Float64Array.from(negatives) };
}
