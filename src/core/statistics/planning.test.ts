/** Values: `Rscript src/core/statistics/reference.R`, section "planning" (power.prop.test; exact sums over outcomes). */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  powerOfOneProportion,
  powerOfPaired,
  powerOfTwoProportions,
  sizeForNone,
  sizeForOneProportion,
  sizeForPaired,
  sizeForPrecision,
  sizeForTwoProportions,
} from './planning.ts';
import { wilson } from './proportion.ts';

it('sizes and powers agree with R', () => {
  expect(sizeForTwoProportions(0.5, 0.35)).toBe(170); // 169.31...
  expect(sizeForTwoProportions(0.05, 0.1, { power: 0.9, level: 0.01 })).toBe(824); // 823.33...
  expect(powerOfTwoProportions(100, 0.5, 0.35)).toBeCloseTo(0.57448550242822294, 10);
  expect(powerOfOneProportion(100, 0.1, 0.2)).toBeCloseTo(0.80766611857545645, 10);
  expect(powerOfOneProportion(37, 0.5, 0.7)).toBeCloseTo(0.69828553890732226, 10);
  expect(sizeForPrecision(0.05)).toBe(381);
  expect(sizeForNone(0.01)).toBe(299); // 298.07...
  expect(wilson(0, 299).high).toBeLessThan(0.0129);
});

it('the paired plan reaches its power in the exact mid-p test', () => {
  // Exact power at 155 pairs is 0.8084 and at 60 pairs 0.6986 for these shares.
  expect(sizeForPaired(0.15, 0.05)).toBe(155);
  expect(Math.abs(powerOfPaired(155, 0.15, 0.05) - 0.80843468251115436)).toBeLessThan(0.015);
  expect(Math.abs(powerOfPaired(60, 0.3, 0.1) - 0.69861556441746719)).toBeLessThan(0.015);
});

it('a planned size reaches its power and one less does not; nearer rates need more', () => {
  const share = fc.double({ min: 0.02, max: 0.45, noNaN: true });
  fc.assert(
    fc.property(share, share, (a, b) => {
      fc.pre(Math.abs(a - b) > 0.01);
      const two = sizeForTwoProportions(a, b);
      expect(powerOfTwoProportions(two, a, b)).toBeGreaterThanOrEqual(0.8 - 1e-9);
      if (two > 1) expect(powerOfTwoProportions(two - 1, a, b)).toBeLessThan(0.8);
      const paired = sizeForPaired(a, b);
      expect(powerOfPaired(paired, a, b)).toBeGreaterThanOrEqual(0.8 - 1e-9);
      expect(sizeForPaired(b, a)).toBe(paired);
      expect(sizeForTwoProportions(a, (a + b) / 2)).toBeGreaterThan(two);
    }),
  );
  expect(Math.abs(powerOfOneProportion(sizeForOneProportion(0.1, 0.2), 0.1, 0.2) - 0.8)).toBeLessThan(0.06);
});

it('refuses what cannot be planned', () => {
  expect(() => sizeForTwoProportions(0.3, 0.3)).toThrowError(/equals the first/);
  expect(() => sizeForPaired(0.8, 0.3)).toThrowError(/1.1/);
  expect(() => sizeForTwoProportions(0.3, 0.4, { power: 1 })).toThrowError(/power is 1/);
  expect(() => sizeForPrecision(0.6)).toThrowError(/0.6/);
  expect(() => sizeForNone(0)).toThrowError(/rate is 0/);
});
