/**
 * Values: `python3 src/core/statistics/reference.py`, section "agreement", which goes over all pairs of ratings as the
 * definitions say; the data are Fleiss' (1971) and Krippendorff's (2011) published examples.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { random } from '../random.ts';
import {
  cohensKappa,
  cohensKappaInterval,
  fleissKappa,
  krippendorffsAlpha,
  krippendorffsAlphaInterval,
} from './agreement.ts';

const a = [1, 2, 3, 3, 2, 1, 4, 1, 2, 5];
const b = [2, 2, 3, 1, 2, 1, 4, 3, 2, 4];
const u = undefined;
const ratings = [
  [1, 2, 3, 3, 2, 1, 4, 1, 2, u, u, u],
  [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, u, 3],
  [u, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, u],
  [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, u],
];

it("Cohen's kappa, plain and weighted", () => {
  expect(cohensKappa(a, b)).toBeCloseTo(0.4736842105263158, 12);
  expect(cohensKappa(a, b, 'linear')).toBeCloseTo(0.53125, 12);
  expect(cohensKappa(a, b, 'quadratic')).toBeCloseTo(0.6268656716417911, 12);
  expect(() => cohensKappa(['x', 'x'], ['x', 'x'])).toThrowError(/undefined/);
  expect(() => cohensKappa(['x', 'y'], ['x', 'z'], 'linear')).toThrowError(/need numbers/);
  const interval = cohensKappaInterval(a, b, random(1));
  expect(interval.low < 0.4736 && interval.high > 0.4737).toBe(true);
});

it("Fleiss' kappa", () => {
  const table = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
  ];
  expect(fleissKappa(table)).toBeCloseTo(0.20993070442195522, 12);
  expect(() =>
    fleissKappa([
      [2, 0],
      [1, 0],
    ]),
  ).toThrowError(/raters of item 1/);
});

it("Krippendorff's alpha at three levels, with ratings missing", () => {
  expect(krippendorffsAlpha(ratings, 'nominal')).toBeCloseTo(0.743421052631579, 12);
  expect(krippendorffsAlpha(ratings, 'ordinal')).toBeCloseTo(0.8153875037548813, 12);
  expect(krippendorffsAlpha(ratings, 'interval')).toBeCloseTo(0.8491071428571428, 12);
  const interval = krippendorffsAlphaInterval(ratings, 'ordinal', random(1));
  expect(interval.low < interval.value && interval.value < interval.high).toBe(true);
  expect(() =>
    krippendorffsAlpha(
      [
        ['x', 'y'],
        ['x', 'y'],
      ],
      'interval',
    ),
  ).toThrowError(/finite numbers/);
  expect(() =>
    krippendorffsAlpha([
      [1, u],
      [u, 1],
    ]),
  ).toThrowError(/two ratings/);
});

it('agreement does not depend on the order of raters or on the names of nominal categories', () => {
  const row = fc.array(fc.constantFrom(1, 2, 3), { minLength: 8, maxLength: 8 });
  fc.assert(
    fc.property(row, row, (x, y) => {
      fc.pre(new Set([...x, ...y]).size > 1);
      const named = (values: readonly number[]): string[] => values.map((v) => ['', 'yes', 'no', 'maybe'][v]!);
      const kappa = cohensKappa(x, y);
      expect(cohensKappa(y, x)).toBeCloseTo(kappa, 12);
      expect(cohensKappa(named(x), named(y))).toBeCloseTo(kappa, 12);
      expect(krippendorffsAlpha([named(y), named(x)])).toBeCloseTo(krippendorffsAlpha([x, y]), 12);
      expect(kappa).toBeLessThanOrEqual(1);
    }),
  );
});
