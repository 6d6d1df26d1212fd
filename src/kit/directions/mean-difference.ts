/**
 * The difference of two groups' means, and how near to the truth it can be at this sample size.
 *
 * With noise of variance V_j in dimension j of the difference, an estimate d = m + noise has the expected cosine
 * |m| / sqrt(|m|^2 + sum V_j) with the true m; |m|^2 is estimated by |d|^2 - sum V_j. Its standard error is by the delta
 * method from the noise along m and the spread of what lies across it. For isotropic noise of variance 1 that is
 * c / sqrt(c^2 + 2 D / n), the form of the refusal-direction card.
 */
import { FiducialError } from '../../core/errors.ts';

export interface Difference {
  /** Mean of the first group less that of the second, float64 [width]. */
  readonly direction: Float64Array;
  readonly length: number;
  /** Summed variance of the difference over its dimensions. */
  readonly noise: number;
  /** The cosine with the true difference that this sample allows, and its standard error. */
  readonly expectedCosine: number;
  readonly standardError: number;
}

/**
 * @param first rows, all of one length; `second` likewise; two or more each
 * @throws FiducialError `direction.few-rows`
 * @example meanDifference(harmful, harmless).direction
 */
export function meanDifference(first: readonly ArrayLike<number>[], second: readonly ArrayLike<number>[]): Difference {
  if (first.length < 2 || second.length < 2) {
    throw new FiducialError(
      'direction.few-rows',
      `${first.length} and ${second.length} rows`,
      'Give two of each kind at least.',
    );
  }
  const width = first[0]!.length;
  const [a, b] = [momentsOf(first, width), momentsOf(second, width)];
  const direction = a.mean.map((value, j) => value - b.mean[j]!);
  let [squared, noise, noiseSquared] = [0, 0, 0];
  for (let j = 0; j < width; j++) {
    const variance = a.variance[j]! / first.length + b.variance[j]! / second.length;
    squared += direction[j]! ** 2;
    noise += variance;
    noiseSquared += variance ** 2;
  }
  const truth = Math.max(0, squared - noise);
  const whole = truth + noise;
  const across = 0.5 * Math.sqrt(truth) * Math.sqrt(2 * noiseSquared);
  const along = noise * Math.sqrt(noise / width);
  return {
    direction,
    length: Math.sqrt(squared),
    noise,
    expectedCosine: whole === 0 ? 0 : Math.sqrt(truth / whole),
    standardError: whole === 0 ? 1 : Math.hypot(across, along) / whole ** 1.5,
  };
}

function momentsOf(rows: readonly ArrayLike<number>[], width: number): { mean: Float64Array; variance: Float64Array } {
  const mean = new Float64Array(width);
  for (const row of rows) for (let j = 0; j < width; j++) mean[j]! += row[j]! / rows.length;
  const variance = new Float64Array(width);
  for (const row of rows) for (let j = 0; j < width; j++) variance[j]! += (row[j]! - mean[j]!) ** 2 / (rows.length - 1);
  return { mean, variance };
}

export const dotOf = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
};

/** @returns 0 where either is the zero vector */
export function cosineOf(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const lengths = Math.sqrt(dotOf(a, a) * dotOf(b, b));
  return lengths === 0 ? 0 : dotOf(a, b) / lengths;
}
