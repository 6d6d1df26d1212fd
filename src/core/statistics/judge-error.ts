/**
 * A rate seen through a fallible judge, corrected for the judge's measured errors with their uncertainty.
 *
 * Sources: Rogan and Gladen, "Estimating prevalence from the results of a screening test" (1978) for the estimate,
 * cut to [0, 1]; a smoothed parametric bootstrap, and the Bayesian posterior with uniform priors on the rate and on the
 * judge's errors (as in Gelman and Carpenter 2020, without the hierarchy), integrated over draws of the judge.
 * Valid only where the judge errs on the target as it did on the labelled items.
 */
import type { Random } from '../random.ts';
import { FiducialError } from '../errors.ts';
import { percentileInterval } from './bootstrap.ts';
import { badInput, requireCount, requirePositive, requireProbability, requireTally } from './checks.ts';
import { betaDraw } from './distributions.ts';
import { confidenceOf } from './estimate.ts';
import type { Estimate, IntervalOptions } from './estimate.ts';

/** How a judge's verdicts met the truth on labelled items. "Positive" is what the rate counts, say a breach. */
export interface Confusion {
  readonly truePositives: number;
  readonly falseNegatives: number;
  readonly trueNegatives: number;
  readonly falsePositives: number;
}

export interface CorrectedRate extends Estimate {
  /** The rate before correction. */
  readonly apparent: number;
  readonly sensitivity: number;
  readonly specificity: number;
  /** Whether the estimate fell outside [0, 1] and was cut. */
  readonly isCut: boolean;
  readonly method: 'bootstrap' | 'bayes';
}

export interface CorrectionOptions extends IntervalOptions {
  readonly method?: 'bootstrap' | 'bayes';
  /** Resamples of the bootstrap (4,000), or draws of the judge for the posterior (1,000). */
  readonly draws?: number;
}

/**
 * (apparent + specificity - 1) / (sensitivity + specificity - 1), cut to [0, 1].
 *
 * @throws FiducialError `statistics.useless-judge` where sensitivity + specificity is not above 1.
 * @example roganGladen(0.3, 0.9, 0.8) // 0.142857...
 */
export function roganGladen(apparent: number, sensitivity: number, specificity: number): number {
  return Math.min(1, Math.max(0, uncut(apparent, sensitivity, specificity)));
}

function uncut(apparent: number, sensitivity: number, specificity: number): number {
  requireProbability('apparent', apparent);
  requireProbability('sensitivity', sensitivity);
  requireProbability('specificity', specificity);
  const youden = sensitivity + specificity - 1;
  if (youden <= 0) {
    throw new FiducialError(
      'statistics.useless-judge',
      `sensitivity ${sensitivity} and specificity ${specificity} do no better than chance`,
      'Use another judge, or report the rate uncorrected and say so.',
    );
  }
  return (apparent + specificity - 1) / youden;
}

/**
 * Corrects `positives` of `n` verdicts. `n` may be an effective number of trials (clustered observations), and
 * `positives` its share; the bootstrap rounds it.
 *
 * The value is Rogan and Gladen's estimate for `bootstrap`, and the posterior median for `bayes` (the default: it
 * keeps its coverage at rates near 0 and with few labelled items).
 *
 * @throws FiducialError `statistics.useless-judge` for a judge no better than chance on the labelled items.
 * @example
 * correctForJudge(30, 200, { truePositives: 90, falseNegatives: 10, trueNegatives: 95, falsePositives: 5 }, random(1));
 * // { value: 0.115, low: 0.037, high: 0.19, apparent: 0.15, ... }
 */
export function correctForJudge(
  positives: number,
  n: number,
  confusion: Confusion,
  random: Random,
  options: CorrectionOptions = {},
): CorrectedRate {
  requirePositive('n', n);
  if (!(positives >= 0 && positives <= n)) {
    badInput('positives', positives, `it must lie from 0 to n = ${n}`, 'Check which count is which.');
  }
  const sick = confusion.truePositives + confusion.falseNegatives;
  const well = confusion.trueNegatives + confusion.falsePositives;
  requireTally(confusion.truePositives, sick, ['truePositives', 'labelled positives']);
  requireTally(confusion.trueNegatives, well, ['trueNegatives', 'labelled negatives']);
  const confidence = confidenceOf(options);
  const method = options.method ?? 'bayes';
  const draws = options.draws ?? (method === 'bayes' ? 1000 : 4000);
  requireCount('draws', draws, 100);

  const apparent = positives / n;
  const sensitivity = confusion.truePositives / sick;
  const specificity = confusion.trueNegatives / well;
  const plain = uncut(apparent, sensitivity, specificity);
  const cut = Math.min(1, Math.max(0, plain));
  const known = { apparent, sensitivity, specificity, isCut: plain !== cut, method };
  if (method === 'bayes') return { ...posterior(positives, n, confusion, random, draws, confidence), ...known };

  const resample = (successes: number, of: number): number => binomialShare((successes + 0.5) / (of + 1), of, random);
  const whole = Math.max(1, Math.round(n));
  const replicates: number[] = [];
  while (replicates.length < draws) {
    const sensitivityDraw = resample(confusion.truePositives, sick);
    const specificityDraw = resample(confusion.trueNegatives, well);
    const apparentDraw = resample(apparent * whole, whole);
    const youden = sensitivityDraw + specificityDraw - 1;
    // A resampled judge at or below chance says nothing of the rate: both ends stay open.
    if (youden <= 0) replicates.push(replicates.length % 2);
    else replicates.push(Math.min(1, Math.max(0, (apparentDraw + specificityDraw - 1) / youden)));
  }
  const range = percentileInterval(replicates, confidence);
  return { value: cut, low: Math.min(cut, range.low), high: Math.max(cut, range.high), ...known };
}

const GRID = 200;

/**
 * Quantiles of the posterior of the rate on a grid, its likelihood averaged over draws of the judge's two errors. A
 * first pass with few draws over all of [0, 1] finds where the posterior lies, so that the second is fine there.
 */
function posterior(
  positives: number,
  n: number,
  confusion: Confusion,
  random: Random,
  draws: number,
  confidence: number,
): Estimate {
  const judges = Array.from({ length: draws }, () => ({
    sensitivity: betaDraw(random, confusion.truePositives + 1, confusion.falseNegatives + 1),
    falseAlarms: betaDraw(random, confusion.falsePositives + 1, confusion.trueNegatives + 1),
  }));
  const share = positives / n;
  const best = share === 0 || share === 1 ? 0 : n * (share * Math.log(share) + (1 - share) * Math.log1p(-share));
  const densityOver = (from: number, to: number, used: typeof judges): Float64Array => {
    const density = new Float64Array(GRID);
    for (let i = 0; i < GRID; i++) {
      const rate = from + ((to - from) * (i + 0.5)) / GRID;
      for (const { sensitivity, falseAlarms } of used) {
        const seen = rate * sensitivity + (1 - rate) * falseAlarms;
        // Relative to the best possible likelihood, so that nothing underflows where it matters.
        density[i]! += Math.exp(positives * Math.log(seen) + (n - positives) * Math.log1p(-seen) - best);
      }
    }
    return density;
  };
  const coarse = densityOver(0, 1, judges.slice(0, Math.ceil(draws / 5)));
  const floor = Math.max(...coarse) * 1e-7;
  const from = Math.max(0, coarse.findIndex((d) => d > floor) - 1) / GRID;
  const to = Math.min(GRID, coarse.findLastIndex((d) => d > floor) + 2) / GRID;

  const density = densityOver(from, to, judges);
  const total = density.reduce((a, b) => a + b, 0);
  const at = (p: number): number => {
    let below = 0;
    let i = 0;
    while (i < GRID - 1 && below + density[i]! < p * total) below += density[i++]!;
    return from + ((to - from) * (i + (p * total - below) / density[i]!)) / GRID;
  };
  return { value: at(0.5), low: at((1 - confidence) / 2), high: at((1 + confidence) / 2) };
}

/** The share of successes in `n` trials. */
function binomialShare(p: number, n: number, random: Random): number {
  let count = 0;
  for (let i = 0; i < n; i++) if (random.uniform() < p) count += 1;
  return count / n;
}
