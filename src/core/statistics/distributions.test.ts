/**
 * Values: `python3 src/core/statistics/reference.py`, section "distributions" (mpmath at 50 digits; SciPy 1.10.1), and for
 * Student's quantiles `Rscript src/core/statistics/reference.R` (R 4.2.2; SciPy's own are off in the 11th digit).
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { random } from '../random.ts';
import {
  betaDraw,
  binomialCdf,
  binomialProbability,
  normalCdf,
  normalQuantile,
  studentCritical,
  twoSidedStudent,
} from './distributions.ts';
import { incompleteBeta, inverseIncompleteBeta, logGamma } from './special.ts';

/** Relative agreement, so that tails count as much as the centre. */
function agrees(value: number, expected: number, relative = 1e-12): void {
  expect(Math.abs(value - expected), `${value} for ${expected}`).toBeLessThanOrEqual(relative * Math.abs(expected));
}

it('normalCdf and normalQuantile keep 14 digits, tails included', () => {
  const cdf = [
    [-8.3, 5.205569744890254e-17],
    [-3, 0.0013498980316300946],
    [-1.6, 0.05479929169955798],
    [-1.4, 0.08075665923377107],
    [-0.1, 0.460172162722971],
    [0.3, 0.6179114221889527],
    [1.45, 0.9264707403903516],
    [2.2, 0.9860965524865014],
  ] as const;
  for (const [z, p] of cdf) agrees(normalCdf(z), p, 2e-15);
  const quantiles = [
    [1e-300, -37.0470962993612],
    [1e-20, -9.262340089798409],
    [1e-5, -4.264890793922825],
    [0.02, -2.053748910631823],
    [0.0749, -1.4402382675279635],
    [0.0751, -1.4388253927525403],
    [0.4, -0.2533471031357997],
    [0.7, 0.5244005127080407],
    [0.975, 1.959963984540054],
    [0.999999, 4.753424308817087],
  ] as const;
  for (const [p, z] of quantiles) agrees(normalQuantile(p), z, 4e-15);
  fc.assert(
    fc.property(fc.double({ min: -8, max: 5, noNaN: true }), (z) => {
      expect(normalQuantile(normalCdf(z))).toBeCloseTo(z, 9);
    }),
  );
});

it('the incomplete beta function and its inverse keep 12 digits', () => {
  const values = [
    [0.3, 2.5, 7, 0.6412224629717211],
    [0.01, 0.5, 40, 0.6286139767460154],
    [0.999, 300, 0.7, 0.579582542311384],
    [0.2, 2000, 9000, 0.999999314140718],
    [1e-6, 1, 1e5, 0.09516262720594036],
    [0.51, 800, 780, 0.6147100918856169],
  ] as const;
  for (const [x, a, b, expected] of values) agrees(incompleteBeta(x, a, b), expected);
  const inverses = [
    [0.025, 3, 98, 0.006229971538306394],
    [0.975, 1, 300, 0.01222097469429355],
    [1e-8, 0.5, 12, 6.68272860930531e-18],
    [0.5, 500, 20, 0.9621290428005586],
  ] as const;
  for (const [p, a, b, expected] of inverses) agrees(inverseIncompleteBeta(p, a, b), expected);
  const shape = fc.double({ min: 0.3, max: 3000, noNaN: true });
  fc.assert(
    fc.property(fc.double({ min: 1e-10, max: 1 - 1e-10, noNaN: true }), shape, shape, (p, a, b) => {
      const x = inverseIncompleteBeta(p, a, b);
      expect(x >= 0 && x <= 1).toBe(true);
      if (x < 0.999) expect(Math.abs(incompleteBeta(x, a, b) - p)).toBeLessThan(1e-11);
    }),
  );
});

it('log-gamma, Student and binomial agree', () => {
  const gammas = [
    [1e-5, 11.512919692895826],
    [0.5, 0.5723649429247001],
    [1.5, -0.12078223763524522],
    [2.5, 0.2846828704729192],
    [17, 30.671860106080672],
    [33.3, 82.60372358165495],
    [1e6, 12815504.569147611],
  ] as const;
  for (const [x, expected] of gammas)
    expect(Math.abs(logGamma(x) - expected)).toBeLessThanOrEqual(2e-14 * Math.max(1, Math.abs(expected)));
  agrees(studentCritical(0.95, 3), 3.1824463052837078);
  agrees(studentCritical(0.99, 40), 2.7044592674331622);
  agrees(studentCritical(0.9, 1), 6.3137515146750376);
  agrees(twoSidedStudent(2.7044592674331622, 40), 0.01);
  agrees(binomialCdf(3, 20, 0.3), 0.10708680450373087);
  agrees(binomialProbability(3, 20, 0.3), 0.0716036722052621);
});

it('beta draws have their mean and variance', () => {
  const stream = random('beta');
  for (const [a, b] of [
    [0.4, 0.7],
    [3, 98],
    [50, 2],
  ] as const) {
    const n = 40_000;
    const draws = Array.from({ length: n }, () => betaDraw(stream, a, b));
    const mean = draws.reduce((sum, x) => sum + x, 0) / n;
    const variance = (a * b) / ((a + b) ** 2 * (a + b + 1));
    expect(Math.abs(mean - a / (a + b))).toBeLessThan(4.5 * Math.sqrt(variance / n));
    const below = draws.filter((x) => incompleteBeta(x, a, b) < 0.1).length / n;
    expect(Math.abs(below - 0.1)).toBeLessThan(4.5 * Math.sqrt(0.09 / n));
  }
});
