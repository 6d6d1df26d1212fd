/**
 * How good stated probabilities are: proper scores, and whether they are calibrated.
 *
 * Sources: Brier (1950); the logarithmic score (Good 1952); Murphy's (1973) curve of reliability; the expected
 * calibration error of Naeini et al. (2015) over bins of equal width, or of equal counts (less biased, Nixon et al.
 * 2019). Outcomes are 1 and 0.
 */
import { badInput, requireCount, requireProbability, requireSameLength } from './checks.ts';
import { confidenceOf } from './estimate.ts';
import type { Estimate, IntervalOptions } from './estimate.ts';
import { wilson } from './proportion.ts';

/**
 * The mean squared distance of probability and outcome: 0 is best, 0.25 what always saying 1/2 gets.
 *
 * @example brierScore([0.9, 0.2], [1, 0]) // 0.025
 */
export function brierScore(probabilities: ArrayLike<number>, outcomes: ArrayLike<number>): number {
  requireForecasts(probabilities, outcomes);
  let sum = 0;
  for (let i = 0; i < outcomes.length; i++) sum += (probabilities[i]! - outcomes[i]!) ** 2;
  return sum / outcomes.length;
}

/**
 * The mean of -log (natural) of the probability given to what happened; infinite where 0 was given to it, unless
 * probabilities are kept `clip` away from 0 and 1.
 *
 * @example logScore([0.9, 0.2], [1, 0]) // 0.16425
 */
export function logScore(probabilities: ArrayLike<number>, outcomes: ArrayLike<number>, clip = 0): number {
  requireForecasts(probabilities, outcomes);
  requireProbability('clip', clip);
  let sum = 0;
  for (let i = 0; i < outcomes.length; i++) {
    const p = Math.min(1 - clip, Math.max(clip, probabilities[i]!));
    sum -= outcomes[i] === 1 ? Math.log(p) : Math.log1p(-p);
  }
  return sum / outcomes.length;
}

/** One bin of the reliability curve: what was said and what came, with Wilson's interval. */
export interface ReliabilityBin extends Estimate {
  /** Mean stated probability of the bin. */
  readonly stated: number;
  readonly n: number;
}

export interface BinOptions extends IntervalOptions {
  /** 10 unless told. */
  readonly bins?: number;
  /** `width` (default) cuts [0, 1] evenly; `count` puts equally many forecasts into each bin. */
  readonly by?: 'width' | 'count';
}

/**
 * The reliability curve; empty bins are left out. `value` is the observed share of outcomes 1.
 *
 * @example reliabilityCurve([0.1, 0.2, 0.9], [0, 0, 1], { bins: 2 }) // two bins: stated 0.15 and 0.9
 */
export function reliabilityCurve(
  probabilities: ArrayLike<number>,
  outcomes: ArrayLike<number>,
  options: BinOptions = {},
): ReliabilityBin[] {
  requireForecasts(probabilities, outcomes);
  const bins = options.bins ?? 10;
  requireCount('bins', bins, 1);
  const confidence = confidenceOf(options);
  const n = outcomes.length;
  const order = Array.from(outcomes, (_, i) => i).sort((a, b) => probabilities[a]! - probabilities[b]!);
  const groups = Array.from({ length: bins }, () => ({ stated: 0, ones: 0, n: 0 }));
  for (const [place, i] of order.entries()) {
    const p = probabilities[i]!;
    const at = options.by === 'count' ? Math.floor((place * bins) / n) : Math.min(bins - 1, Math.floor(p * bins));
    const group = groups[at]!;
    group.stated += p;
    group.ones += outcomes[i]!;
    group.n += 1;
  }
  return groups
    .filter((group) => group.n > 0)
    .map((group) => {
      const { value, low, high } = wilson(group.ones, group.n, { confidence });
      return { stated: group.stated / group.n, value, low, high, n: group.n };
    });
}

/**
 * The expected calibration error: the mean distance of stated and observed over the bins, weighted by their counts. It
 * is biased upward in small samples, the more so the more bins.
 *
 * @example expectedCalibrationError([0.1, 0.2, 0.9], [0, 0, 1], { bins: 2 }) // 0.1333...
 */
export function expectedCalibrationError(
  probabilities: ArrayLike<number>,
  outcomes: ArrayLike<number>,
  options: BinOptions = {},
): number {
  const curve = reliabilityCurve(probabilities, outcomes, options);
  return curve.reduce((sum, bin) => sum + (bin.n / outcomes.length) * Math.abs(bin.stated - bin.value), 0);
}

function requireForecasts(probabilities: ArrayLike<number>, outcomes: ArrayLike<number>): void {
  requireSameLength(['probabilities', 'outcomes'], probabilities, outcomes);
  requireCount('the number of outcomes', outcomes.length, 1);
  for (let i = 0; i < outcomes.length; i++) {
    requireProbability(`probabilities[${i}]`, probabilities[i]!);
    if (outcomes[i] !== 0 && outcomes[i] !== 1) {
      badInput(
        `outcomes[${i}]`,
        outcomes[i],
        'it must be 0 or 1',
        'Leave undetermined items out and count them apart.',
      );
    }
  }
}
