/**
 * Special functions: log-gamma, the regularised incomplete beta function and its inverse.
 *
 * Sources: Stirling's series for log-gamma; Loader, "Fast and accurate computation of binomial probabilities" (2000)
 * for the beta density without cancellation; the continued fraction of DiDonato and Morris with Lentz's evaluation.
 * Own code and not jStat, whose incomplete beta loses digits in the tails; relative error is below 1e-12 where tested.
 */
import { badInput, requirePositive, requireProbability } from './checks.ts';

const HALF_LOG_TWO_PI = 0.9189385332046727;

/** Stirling's correction: log Gamma(z + 1) - ((z + 1/2) log z - z + log(2 pi) / 2), for z > 0. */
function stirlingError(z: number): number {
  if (z < 16) return logGamma(z + 1) - ((z + 0.5) * Math.log(z) - z + HALF_LOG_TWO_PI);
  return stirlingSeries(z);
}

/** The same by its asymptotic series; eight Bernoulli terms are exact to rounding from 16 on. */
function stirlingSeries(z: number): number {
  const w = 1 / (z * z);
  const terms = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400];
  let sum = 0;
  for (let i = terms.length - 1; i >= 0; i--) sum = sum * w + terms[i]!;
  return sum / z;
}

/**
 * log Gamma(x) for x > 0.
 *
 * @example logGamma(5) // 3.178053830347946 = log 24
 */
export function logGamma(x: number): number {
  requirePositive('x', x);
  let z = x;
  let product = 1;
  while (z < 17) {
    product *= z;
    z += 1;
  }
  const m = z - 1;
  return (m + 0.5) * Math.log(m) - m + HALF_LOG_TWO_PI + stirlingSeries(m) - Math.log(product);
}

/** Loader's deviance a log(a / m) + m - a, without cancellation where a is near m. */
function deviance(a: number, m: number): number {
  if (Math.abs(a - m) >= 0.1 * (a + m)) return a * Math.log(a / m) + m - a;
  const v = (a - m) / (a + m);
  let sum = (a - m) * v;
  let term = 2 * a * v;
  for (let j = 1; j < 1000; j++) {
    term *= v * v;
    const next = sum + term / (2 * j + 1);
    if (next === sum) break;
    sum = next;
  }
  return sum;
}

/** x^a (1 - x)^b / B(a, b): the beta density times x (1 - x). */
function betaPower(x: number, a: number, b: number): number {
  const n = a + b;
  const exponent =
    stirlingError(n) - stirlingError(a) - stirlingError(b) - deviance(a, n * x) - deviance(b, n * (1 - x));
  return Math.sqrt((a * b) / (n * 2 * Math.PI)) * Math.exp(exponent);
}

/**
 * The regularised incomplete beta function I_x(a, b): the probability that a Beta(a, b) number is at most x.
 *
 * @example incompleteBeta(0.5, 2, 3) // 0.6875
 */
export function incompleteBeta(x: number, a: number, b: number): number {
  requireProbability('x', x);
  requirePositive('a', a);
  requirePositive('b', b);
  if (x === 0 || x === 1) return x;
  return x <= (a + 1) / (a + b + 2)
    ? (betaPower(x, a, b) * betaFraction(x, a, b)) / a
    : 1 - (betaPower(x, a, b) * betaFraction(1 - x, b, a)) / b;
}

function betaFraction(x: number, a: number, b: number): number {
  const tiny = 1e-300;
  const away = (value: number): number => (Math.abs(value) < tiny ? tiny : value);
  let c = 1;
  let d = 1 / away(1 - ((a + b) * x) / (a + 1));
  let result = d;
  for (let m = 1; m <= 100_000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away(1 + even * d);
    c = away(1 + even / c);
    result *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away(1 + odd * d);
    c = away(1 + odd / c);
    result *= d * c;
    if (Math.abs(d * c - 1) < 1e-16) return result;
  }
  return badInput(
    'a, b',
    [a, b],
    'the incomplete beta function did not converge',
    'Parameters above 1e9 are out of reach.',
  );
}

/**
 * The x at which {@link incompleteBeta} is p: the p-quantile of Beta(a, b).
 *
 * @example inverseIncompleteBeta(0.6875, 2, 3) // 0.5
 */
export function inverseIncompleteBeta(p: number, a: number, b: number): number {
  requireProbability('p', p);
  requirePositive('a', a);
  requirePositive('b', b);
  if (p === 0 || p === 1) return p;
  // Newton's steps on the log of x (small quantiles keep their digits), each kept inside the bracket found so far.
  let low = 0;
  let high = 1;
  let x = a / (a + b);
  for (let i = 0; i < 400; i++) {
    const reached = incompleteBeta(x, a, b);
    if (reached === p) return x;
    if (reached < p) low = x;
    else high = x;
    const slope = betaPower(x, a, b) / (1 - x); // of I with respect to log x
    let next = x * Math.exp(Math.max(-40, Math.min(40, (p - reached) / slope)));
    if (!(next > low && next < high)) next = low === 0 ? high / 1024 : (low + high) / 2;
    if (Math.abs(next - x) <= 2e-16 * x || high - low <= 2e-16 * high) return next;
    x = next;
  }
  return x;
}
