/**
 * Distribution functions that the tests and intervals rest on: normal, Student's t, beta, binomial, hypergeometric.
 *
 * Sources: Wichura's AS 241 (1988) for the normal quantile, relative error about 1e-16; a power series in the centre
 * and the continued fraction of Mills' ratio in the tails for the normal distribution function; the rest through the
 * incomplete beta function of `special.ts`. Gamma draws after Marsaglia and Tsang (2000).
 */
import type { Random } from '../random.ts';
import { requireFinite, requireInside, requirePositive, requireProbability, requireTally } from './checks.ts';
import { incompleteBeta, inverseIncompleteBeta, logGamma } from './special.ts';

/**
 * The probability that a standard normal number is at most z.
 *
 * @example normalCdf(-1.959963984540054) // 0.025
 */
export function normalCdf(z: number): number {
  if (z === Infinity || z === -Infinity) return z > 0 ? 1 : 0;
  requireFinite('z', z);
  if (z < -1.5) return upperTail(-z);
  if (z > 1.5) return 1 - upperTail(z);
  let term = z;
  let sum = z;
  for (let k = 3; Math.abs(term) > 1e-18; k += 2) {
    term *= (z * z) / k;
    sum += term;
  }
  return 0.5 + sum * normalDensity(z);
}

export function normalDensity(z: number): number {
  return Math.exp(-0.5 * z * z) / Math.sqrt(2 * Math.PI);
}

/** P(Z > z) for z >= 1.5: density times 1 / (z + 1 / (z + 2 / (z + 3 / ...))), summed from the far end. */
function upperTail(z: number): number {
  if (z > 39) return 0;
  let fraction = z;
  for (let k = 30 + Math.ceil(500 / (z * z)); k >= 1; k--) fraction = z + k / fraction;
  return normalDensity(z) / fraction;
}

/**
 * The z below which a standard normal number falls with probability p; -Infinity for 0, Infinity for 1.
 *
 * @example normalQuantile(0.975) // 1.959963984540054
 */
export function normalQuantile(p: number): number {
  requireProbability('p', p);
  if (p === 0 || p === 1) return p === 0 ? -Infinity : Infinity;
  const q = p - 0.5;
  if (Math.abs(q) <= 0.425) {
    const r = 0.180625 - q * q;
    return (q * polynomial(CENTRE_TOP, r)) / polynomial(CENTRE_BOTTOM, r);
  }
  const r = Math.sqrt(-Math.log(q < 0 ? p : 1 - p));
  const z =
    r <= 5
      ? polynomial(MIDDLE_TOP, r - 1.6) / polynomial(MIDDLE_BOTTOM, r - 1.6)
      : polynomial(FAR_TOP, r - 5) / polynomial(FAR_BOTTOM, r - 5);
  return q < 0 ? -z : z;
}

/** The z such that a standard normal number lies within ±z with probability `confidence`. */
export function normalCritical(confidence: number): number {
  requireInside('confidence', confidence);
  return -normalQuantile((1 - confidence) / 2);
}

/** The t such that a Student number of `degrees` degrees lies within ±t with probability `confidence`. */
export function studentCritical(confidence: number, degrees: number): number {
  requireInside('confidence', confidence);
  requirePositive('degrees', degrees);
  if (degrees === Infinity) return normalCritical(confidence);
  const y = inverseIncompleteBeta(confidence, 0.5, degrees / 2);
  return Math.sqrt((degrees * y) / (1 - y));
}

/** Two-sided p-value of a standard normal statistic. */
export function twoSidedNormal(z: number): number {
  return Math.min(1, 2 * normalCdf(-Math.abs(z)));
}

/** Two-sided p-value of a Student statistic. */
export function twoSidedStudent(t: number, degrees: number): number {
  return incompleteBeta(degrees / (degrees + t * t), degrees / 2, 0.5);
}

/** P(X <= k) of a binomial number with n trials of probability p. */
export function binomialCdf(k: number, n: number, p: number): number {
  requireProbability('p', p);
  if (k < 0) return 0;
  if (k >= n) return 1;
  requireTally(k, n, ['k', 'n']);
  return incompleteBeta(1 - p, n - k, k + 1);
}

/** log of "n choose k". */
export function logChoose(n: number, k: number): number {
  return logGamma(n + 1) - logGamma(k + 1) - logGamma(n - k + 1);
}

/** P(X = k) of a binomial number. */
export function binomialProbability(k: number, n: number, p: number): number {
  requireTally(k, n, ['k', 'n']);
  requireProbability('p', p);
  if (p === 0 || p === 1) return k === n * p ? 1 : 0;
  return Math.exp(logChoose(n, k) + k * Math.log(p) + (n - k) * Math.log1p(-p));
}

/** A Beta(a, b) number from `random`. */
export function betaDraw(random: Random, a: number, b: number): number {
  const x = gammaDraw(random, a);
  return x / (x + gammaDraw(random, b));
}

/** A Gamma(shape) number of scale 1 from `random`. */
export function gammaDraw(random: Random, shape: number): number {
  requirePositive('shape', shape);
  if (shape < 1) return gammaDraw(random, shape + 1) * (1 - random.uniform()) ** (1 / shape);
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const z = random.normal();
    const v = (1 + c * z) ** 3;
    if (v > 0 && Math.log(1 - random.uniform()) < 0.5 * z * z + d - d * v + d * Math.log(v)) return d * v;
  }
}

function polynomial(coefficients: readonly number[], x: number): number {
  let sum = 0;
  for (let i = coefficients.length - 1; i >= 0; i--) sum = sum * x + coefficients[i]!;
  return sum;
}

// AS 241, routine PPND16: numerators and denominators by falling distance from the tail.
const CENTRE_TOP = [
  3.3871328727963665, 133.14166789178438, 1971.5909503065513, 13731.69376550946, 45921.95393154987, 67265.7709270087,
  33430.57558358813, 2509.0809287301227,
] as const;
const CENTRE_BOTTOM = [
  1.0, 42.31333070160091, 687.1870074920579, 5394.196021424751, 21213.794301586597, 39307.89580009271,
  28729.085735721943, 5226.495278852854,
] as const;
const MIDDLE_TOP = [
  1.4234371107496835, 4.630337846156546, 5.769497221460691, 3.6478483247632045, 1.2704582524523684, 0.2417807251774506,
  0.022723844989269184, 0.0007745450142783414,
] as const;
const MIDDLE_BOTTOM = [
  1.0, 2.053191626637759, 1.6763848301838038, 0.6897673349851, 0.14810397642748008, 0.015198666563616457,
  0.0005475938084995345, 1.0507500716444169e-9,
] as const;
const FAR_TOP = [
  6.657904643501103, 5.463784911164114, 1.7848265399172913, 0.29656057182850487, 0.026532189526576124,
  0.0012426609473880784, 2.7115555687434876e-5, 2.0103343992922881e-7,
] as const;
const FAR_BOTTOM = [
  1.0, 0.599832206555888, 0.1369298809227358, 0.014875361290850615, 0.0007868691311456133, 1.8463183175100548e-5,
  1.421511758316446e-7, 2.0442631033899397e-15,
] as const;
