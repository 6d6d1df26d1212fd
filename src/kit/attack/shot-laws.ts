/**
 * Two laws of in-context demonstrations, fitted.
 *
 * Bayesian in-context learning: a target whose belief begins as Beta(a, b) and that has seen n obliging exchanges
 * obliges with probability (a + n) / (a + b + n); maximum likelihood by Fisher scoring in log a and log b. Power law:
 * a loss falls as C n^-a + K (Anil et al. 2024, "Many-shot Jailbreaking"); least squares, linear in C and K >= 0 for
 * each exponent, the exponent by golden-section search.
 */
import { FiducialError } from '../../core/errors.ts';
import { normalCritical } from '../../core/statistics/distributions.ts';
import type { Estimate } from '../../core/statistics/estimate.ts';

/** Successes among trials with n demonstrations before them. */
export interface ShotCount {
  readonly shots: number;
  readonly successes: number;
  readonly trials: number;
}

export interface BetaLaw {
  /** The belief in obliging before any demonstration, with Wald's interval on the log scale. */
  readonly a: Estimate;
  readonly b: Estimate;
  /** Demonstrations at which it obliges every other time: b - a, 0 where it does so without any. */
  readonly evenShots: number;
}

/**
 * Maximum likelihood of a and b.
 *
 * @returns undefined where the counts do not determine them: fewer than two numbers of shots, or all successes equal to
 * none or to all trials
 * @throws FiducialError `attack.no-convergence`
 * @example fitBetaLaw([{ shots: 1, successes: 12, trials: 100 }, { shots: 64, successes: 77, trials: 100 }])
 */
export function fitBetaLaw(counts: readonly ShotCount[], confidence = 0.95): BetaLaw | undefined {
  const used = counts.filter(({ trials }) => trials > 0);
  const [hits, all] = [sum(used.map(({ successes }) => successes)), sum(used.map(({ trials }) => trials))];
  if (new Set(used.map(({ shots }) => shots)).size < 2 || hits === 0 || hits === all) return undefined;
  const logLikelihood = (a: number, b: number): number =>
    sum(
      used.map(
        ({ shots: n, successes: k, trials: m }) =>
          k * Math.log(a + n) + (m - k) * Math.log(b) - m * Math.log(a + b + n),
      ),
    );
  let [a, b] = [1, Math.max(1, (sum(used.map(({ shots, trials }) => shots * trials)) / all) * (all / hits - 1))];
  for (let iteration = 0; iteration < 500; iteration++) {
    const { gradient, information } = scoring(used, a, b);
    const step = solve(information, gradient);
    const before = logLikelihood(a, b);
    let scale = 1;
    let next: [number, number] = [a, b];
    for (; scale > 1e-9; scale /= 2) {
      next = [a * Math.exp(clamp(scale * step[0])), b * Math.exp(clamp(scale * step[1]))];
      if (logLikelihood(...next) >= before) break;
    }
    const moved = Math.abs(Math.log(next[0] / a)) + Math.abs(Math.log(next[1] / b));
    [a, b] = next;
    // The likelihood may rise for ever towards a = 0: no obliging without demonstrations.
    if (a < 1e-8 || b > 1e8) return undefined;
    if (moved < 1e-10) {
      const covariance = inverse(scoring(used, a, b).information);
      const around = (value: number, variance: number): Estimate => {
        const factor = Math.exp(normalCritical(confidence) * Math.sqrt(variance));
        return { value, low: value / factor, high: value * factor };
      };
      return { a: around(a, covariance[0]), b: around(b, covariance[3]), evenShots: Math.max(0, b - a) };
    }
  }
  throw new FiducialError(
    'attack.no-convergence',
    `The law of ${used.length} counts did not settle (a = ${a}, b = ${b})`,
    'Use more trials at more numbers of shots.',
  );
}

/** Gradient and expected information of the log-likelihood in log a and log b, row by row. */
function scoring(
  counts: readonly ShotCount[],
  a: number,
  b: number,
): { gradient: readonly [number, number]; information: Four } {
  let [ga, gb, aa, ab, bb] = [0, 0, 0, 0, 0];
  for (const { shots: n, successes: k, trials: m } of counts) {
    const s = a + b + n;
    ga += a * (k / (a + n) - m / s);
    gb += b * ((m - k) / b - m / s);
    aa += a * a * (m / ((a + n) * s) - m / (s * s));
    ab -= (a * b * m) / (s * s);
    bb += b * b * (m / (b * s) - m / (s * s));
  }
  return { gradient: [ga, gb], information: [aa, ab, ab, bb] };
}

type Four = readonly [number, number, number, number];

function inverse([p, q, r, s]: Four): Four {
  const determinant = p * s - q * r;
  return [s / determinant, -q / determinant, -r / determinant, p / determinant];
}

function solve(matrix: Four, [x, y]: readonly [number, number]): [number, number] {
  const [p, q, r, s] = inverse(matrix);
  return [p * x + q * y, r * x + s * y];
}

/** A step of more than this in a logarithm is no Newton step any more. */
function clamp(step: number): number {
  return Math.max(-2, Math.min(2, step));
}

export interface PowerLaw {
  /** The loss is scale n^-exponent + floor. */
  readonly scale: number;
  readonly exponent: number;
  readonly floor: number;
}

/**
 * Least squares of scale n^-exponent + floor with floor >= 0, for exponents from 0.01 to 4.
 *
 * @returns undefined with fewer than four points, or where the loss does not fall
 * @example fitPowerLaw([{ shots: 1, loss: 4 }, { shots: 4, loss: 2.5 }, { shots: 16, loss: 1.75 }, { shots: 64, loss: 1.4 }])
 */
export function fitPowerLaw(
  points: readonly { readonly shots: number; readonly loss: number }[],
): PowerLaw | undefined {
  if (points.length < 4) return undefined;
  const at = (exponent: number): PowerLaw & { readonly error: number } => {
    const x = points.map(({ shots }) => shots ** -exponent);
    const y = points.map(({ loss }) => loss);
    const [meanX, meanY] = [sum(x) / x.length, sum(y) / y.length];
    const slope = sum(x.map((each, i) => (each - meanX) * (y[i]! - meanY))) / sum(x.map((each) => (each - meanX) ** 2));
    const isFloored = meanY - slope * meanX < 0;
    const scale = isFloored ? sum(x.map((each, i) => each * y[i]!)) / sum(x.map((each) => each ** 2)) : slope;
    const floor = isFloored ? 0 : meanY - slope * meanX;
    return { scale, exponent, floor, error: sum(x.map((each, i) => (y[i]! - scale * each - floor) ** 2)) };
  };
  const grid = Array.from({ length: 100 }, (_, i) => 0.01 * 400 ** (i / 99));
  const best = grid.reduce((least, each, i) => (at(each).error < at(grid[least]!).error ? i : least), 0);
  let [low, high] = [grid[Math.max(0, best - 1)]!, grid[Math.min(grid.length - 1, best + 1)]!];
  const golden = (Math.sqrt(5) - 1) / 2;
  while (high - low > 1e-10) {
    const [left, right] = [high - golden * (high - low), low + golden * (high - low)];
    if (at(left).error < at(right).error) high = right;
    else low = left;
  }
  const { scale, exponent, floor } = at((low + high) / 2);
  return scale > 0 ? { scale, exponent, floor } : undefined;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, each) => total + each, 0);
}
