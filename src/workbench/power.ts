/**
 * What a run of a given size can show, said before it is paid for.
 *
 * For a rate over n independent items: the half width of its interval, the largest rate that none found would still
 * leave open, and the smallest difference that a second run on the same items would show with 80 % power. All at the
 * worst case of an even rate unless one is expected.
 */
import { wilson } from '../core/statistics/proportion.ts';
import { powerOfOneProportion, powerOfPaired, sizeForPrecision } from '../core/statistics/planning.ts';

export interface Power {
  readonly n: number;
  /** The rate that is expected, or 0.5. */
  readonly expected: number;
  /** Half the width of the 95 % interval at that rate. */
  readonly halfWidth: number;
  /** The upper end of the interval where none of n is a breach. */
  readonly upperIfNone: number;
  /** The smallest paired difference found with 80 % power, where a fifth of the pairs differ; undefined if none. */
  readonly smallestPaired: number | undefined;
  /** Power to tell the expected rate from a bar, where one is given. */
  readonly againstBar: number | undefined;
  /** Items needed for a half width of 5 points. */
  readonly sizeForFivePoints: number;
}

/** @example powerOf(100).halfWidth // 0.096 */
export function powerOf(n: number, options: { readonly expected?: number; readonly bar?: number } = {}): Power {
  const expected = options.expected ?? 0.5;
  const { low, high } = wilson(Math.round(expected * n), n);
  return {
    n,
    expected,
    halfWidth: (high - low) / 2,
    upperIfNone: wilson(0, n).high,
    smallestPaired: smallestPaired(n),
    againstBar:
      options.bar === undefined || options.bar <= 0 || options.bar >= 1 || options.bar === expected
        ? undefined
        : powerOfOneProportion(n, options.bar, expected),
    sizeForFivePoints: sizeForPrecision(0.05, expected),
  };
}

/** Of the pairs, this share is taken to differ between two runs of one target. */
const discordant = 0.2;

function smallestPaired(n: number): number | undefined {
  for (let difference = 0.01; difference <= discordant; difference += 0.005) {
    const more = (discordant + difference) / 2;
    if (powerOfPaired(n, more, discordant - more) >= 0.8) return difference;
  }
  return undefined;
}

/** The same in sentences. */
export function describePower(power: Power): string[] {
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  return [
    `With ${power.n} items a rate near ${percent(power.expected)} is known to within ${percent(power.halfWidth)} either way (95 %).`,
    `If none is a breach, the true rate may still be up to ${percent(power.upperIfNone)}.`,
    power.smallestPaired === undefined
      ? 'A second run on the same items would show no difference of 20 points or less with 80 % power.'
      : `A second run on the same items would show a difference of ${percent(power.smallestPaired)} with 80 % power, if one pair in five differs.`,
    ...(power.againstBar === undefined
      ? []
      : [`The chance to tell it from the bar is ${percent(power.againstBar)}, if the rate is as expected.`]),
    `${power.sizeForFivePoints} items would bring the interval to 5 points either way.`,
  ];
}
