/**
 * Anytime-valid inference for a rate: look after every trial, stop when you like, and the error still holds.
 *
 * Source: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting" (2023): predictable
 * plug-in bets, and the hedged capital process for confidence sequences. By Ville's inequality a gambler against the
 * truth ever multiplies his money by 1 / alpha with probability at most alpha, whenever the trials are stopped.
 * Valid for any values in [0, 1] whose mean does not depend on the past.
 */
import { requireInside, requireProbability, requireSample } from './checks.ts';
import { confidenceOf } from './estimate.ts';
import type { Alternative, Estimate, IntervalOptions } from './estimate.ts';

export interface SequentialTest {
  /** Money made against the assumed rate, so far: evidence that may be multiplied over independent studies. */
  readonly eValue: number;
  /** The anytime-valid p-value: 1 over the largest money so far. */
  readonly p: number;
  /** After how many trials the level was first reached; undefined while it is not. */
  readonly decidedAt?: number;
  readonly n: number;
}

/**
 * Bets that the mean of `values`, in the order seen, is greater (default), less or other than `assumed`.
 *
 * @example bettingTest(outcomes, 0.05, { alternative: 'greater' }).decidedAt // the trial that showed it
 */
export function bettingTest(
  values: ArrayLike<number>,
  assumed: number,
  options: { readonly alternative?: Alternative; readonly level?: number } = {},
): SequentialTest {
  requireInside('assumed', assumed);
  const level = options.level ?? 0.05;
  requireInside('level', level);
  requireUnit(values);
  const alternative = options.alternative ?? 'greater';
  // Two-sided, half the money is staked each way; the bets are sized for the level of their side.
  const shares = { greater: [1, 0], less: [0, 1], 'two-sided': [0.5, 0.5] }[alternative];
  const bets = plugInBets(values, alternative === 'two-sided' ? level / 2 : level);
  let [up, down] = [0, 0]; // logs of money
  let [best, now] = [0, 0];
  let decidedAt: number | undefined;
  for (let i = 0; i < values.length; i++) {
    const gain = values[i]! - assumed;
    up += Math.log1p(Math.min(bets[i]!, LARGEST_STAKE / assumed) * gain);
    down += Math.log1p(-Math.min(bets[i]!, LARGEST_STAKE / (1 - assumed)) * gain);
    now = Math.log(shares[0]! * Math.exp(Math.min(up, 600)) + shares[1]! * Math.exp(Math.min(down, 600)));
    if (now > best) best = now;
    if (decidedAt === undefined && now >= -Math.log(level)) decidedAt = i + 1;
  }
  return {
    eValue: Math.exp(now),
    p: Math.min(1, Math.exp(-best)),
    ...(decidedAt === undefined ? {} : { decidedAt }),
    n: values.length,
  };
}

/** The interval after each trial; all of them hold at once with the stated confidence. */
export interface SequenceStep extends Estimate {
  readonly n: number;
}

/**
 * The confidence sequence of the mean of `values` in the order seen: at every n the rates against which the hedged
 * money has stayed below 1 / alpha. Later intervals lie inside earlier ones. Ends are exact to 1 / 1000.
 *
 * @example confidenceSequence([0, 0, 1, 0]).at(-1) // { n: 4, value: 0.25, low: ..., high: ... }
 */
export function confidenceSequence(values: ArrayLike<number>, options?: IntervalOptions): SequenceStep[] {
  requireUnit(values);
  const alpha = 1 - confidenceOf(options);
  const bets = plugInBets(values, alpha);
  const limit = Math.log(2 / alpha);
  const up = new Float64Array(GRID + 1);
  const down = new Float64Array(GRID + 1);
  let [first, last] = [0, GRID];
  let sum = 0;
  const steps: SequenceStep[] = [];
  for (let i = 0; i < values.length; i++) {
    sum += values[i]!;
    const bet = bets[i]!;
    for (let g = first; g <= last; g++) {
      const rate = g / GRID;
      const gain = values[i]! - rate;
      up[g]! += Math.log1p(Math.min(bet, LARGEST_STAKE / rate) * gain);
      down[g]! += Math.log1p(-Math.min(bet, LARGEST_STAKE / (1 - rate)) * gain);
    }
    // Each half of the money may bring it to 1 / alpha: max(up, down) / 2 is at most the hedged sum.
    while (first < last && up[first]! >= limit) first++;
    while (last > first && down[last]! >= limit) last--;
    // A rate between two grid points is out only when the one before it is: the grid widens by one step.
    const value = sum / (i + 1);
    const [low, high] = [Math.max(0, first - 1) / GRID, Math.min(GRID, last + 1) / GRID];
    steps.push({ n: i + 1, value, low: Math.min(low, value), high: Math.max(high, value) });
  }
  return steps;
}

const GRID = 1000;
/** No bet stakes more than this share of the money on one trial. */
const LARGEST_STAKE = 0.5;

/** The bet before each trial, from the trials before it alone: sqrt(2 log(2 / alpha) / (variance t log(1 + t))). */
function plugInBets(values: ArrayLike<number>, alpha: number): Float64Array {
  const bets = new Float64Array(values.length);
  let sum = 0.5;
  let squares = 0.25;
  for (let i = 0; i < values.length; i++) {
    const t = i + 1;
    const variance = squares / t;
    bets[i] = Math.sqrt((2 * Math.log(2 / alpha)) / (variance * t * Math.log(1 + t)));
    sum += values[i]!;
    const mean = sum / (t + 1);
    squares += (values[i]! - mean) ** 2;
  }
  return bets;
}

function requireUnit(values: ArrayLike<number>): void {
  requireSample('values', values);
  for (let i = 0; i < values.length; i++) requireProbability(`values[${i}]`, values[i]!);
}
