/**
 * Intervals for one proportion.
 *
 * Sources: Wilson (1927), the default here: its coverage stays near the nominal one down to small counts (Brown, Cai,
 * DasGupta 2001); Clopper and Pearson (1934), which never covers less than it says and is wider for it.
 */
import { requireTally } from './checks.ts';
import { normalCritical } from './distributions.ts';
import { confidenceOf } from './estimate.ts';
import type { Estimate, IntervalOptions } from './estimate.ts';
import { inverseIncompleteBeta } from './special.ts';

/** A proportion with the number of trials behind it. */
export interface Proportion extends Estimate {
  readonly successes: number;
  readonly n: number;
}

/**
 * Wilson's score interval.
 *
 * @throws FiducialError `statistics.bad-input` where `successes` exceeds `n`, a count is no whole number, or n is 0.
 * @example wilson(3, 20) // { value: 0.15, low: 0.0524, high: 0.3604, successes: 3, n: 20 }
 */
export function wilson(successes: number, n: number, options?: IntervalOptions): Proportion {
  requireTally(successes, n);
  return { ...wilsonOfShare(successes / n, n, normalCritical(confidenceOf(options))), successes, n };
}

/**
 * Wilson's interval of an observed share of `n` trials, which may be an effective number and so no whole one, at
 * `critical` standard errors.
 */
export function wilsonOfShare(share: number, n: number, critical: number): Estimate {
  const z2 = critical * critical;
  const centre = (share + z2 / (2 * n)) / (1 + z2 / n);
  const half = (critical / (1 + z2 / n)) * Math.sqrt((share * (1 - share)) / n + z2 / (4 * n * n));
  // At 0 and 1 the end meets the share exactly, where rounding would leave it 1e-17 off.
  return {
    value: share,
    low: share === 0 ? 0 : Math.max(0, Math.min(share, centre - half)),
    high: share === 1 ? 1 : Math.min(1, Math.max(share, centre + half)),
  };
}

/**
 * Clopper and Pearson's exact interval.
 *
 * @example clopperPearson(0, 20) // { value: 0, low: 0, high: 0.1684, successes: 0, n: 20 }
 */
export function clopperPearson(successes: number, n: number, options?: IntervalOptions): Proportion {
  requireTally(successes, n);
  const tail = (1 - confidenceOf(options)) / 2;
  return {
    value: successes / n,
    low: successes === 0 ? 0 : inverseIncompleteBeta(tail, successes, n - successes + 1),
    high: successes === n ? 1 : inverseIncompleteBeta(1 - tail, successes + 1, n - successes),
    successes,
    n,
  };
}
