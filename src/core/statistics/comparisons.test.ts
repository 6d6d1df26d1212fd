/**
 * Values: `Rscript src/core/statistics/reference.R` and `python3 src/core/statistics/reference.py`, both in the section
 * "paired and two proportions". The score intervals' values come from general optimisers, not from the closed forms.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { random } from '../random.ts';
import { kendall, spearman } from './correlation.ts';
import { twoSidedNormal } from './distributions.ts';
import { isotonic } from './isotonic.ts';
import { benjaminiHochberg, holm } from './multiple-testing.ts';
import { mcnemar, pairedTable, signFlipTest, wilcoxonSignedRank } from './paired-tests.ts';
import { meanPassAtK, passAtK } from './pass-at-k.ts';
import { differenceOfPaired, differenceOfProportions, fisherExact } from './two-proportions.ts';

const close = (values: readonly number[], expected: readonly number[], digits = 10): void => {
  expect(values.length).toBe(expected.length);
  values.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, digits));
};

describe('paired tests', () => {
  const differences = [1.83, 0.5, -1.62, 2.48, 1.68, 1.88, -1.55, 3.06, 1.3, 0.25];

  it('McNemar, exact and mid-p', () => {
    close(
      [mcnemar({ firstOnly: 1, secondOnly: 9 }, 'exact').p, mcnemar({ firstOnly: 13, secondOnly: 28 }, 'exact').p],
      [0.021484375000000014, 0.02753315582958752],
    );
    close(
      [mcnemar({ firstOnly: 1, secondOnly: 9 }).p, mcnemar({ firstOnly: 28, secondOnly: 13 }).p],
      [0.011718750000000002, 0.01952047278246025],
    );
    expect(mcnemar({ firstOnly: 0, secondOnly: 0 }).p).toBe(1);
    expect(mcnemar({ firstOnly: 5, secondOnly: 5 }, 'exact').p).toBe(1);
    expect(() => mcnemar({ firstOnly: -1, secondOnly: 0 })).toThrowError(/-1/);
    expect(
      pairedTable([
        { first: 1, second: 0 },
        { first: 1, second: 1 },
      ]),
    ).toEqual({ both: 1, firstOnly: 1, secondOnly: 0, neither: 0 });
  });

  it('sign flips, by all of them and by chance', () => {
    close([signFlipTest(differences, random(1)).p], [0.076171875]);
    // Twenty equal differences: only 2 of 2^20 flips are as extreme, so drawn flips give 1 / (draws + 1) or near it.
    expect(
      signFlipTest(
        Array.from({ length: 20 }, () => 0.1),
        random(1),
        999,
      ).p,
    ).toBeLessThan(0.003);
    const many = Array.from({ length: 4 }, () => differences).flat();
    const drawn = signFlipTest(many, random(2), 20_000).p;
    const [sum, squares] = [0, 1].map((power) => many.reduce((total, d) => total + d * d ** power, 0));
    expect(Math.abs(drawn - twoSidedNormal(sum! / Math.sqrt(squares!)))).toBeLessThan(0.0015); // central limit
  });

  it('keeps its level where nothing differs', () => {
    const stream = random('null');
    let rejected = 0;
    for (let run = 0; run < 300; run++) {
      const noise = Array.from({ length: 24 }, () => stream.normal());
      if (signFlipTest(noise, stream, 200).p <= 0.05) rejected += 1 / 300;
    }
    expect(rejected).toBeLessThan(0.05 + 4 * Math.sqrt((0.05 * 0.95) / 300));
    expect(rejected).toBeGreaterThan(0.01);
  });

  it('Wilcoxon, exact, exact with ties, and normal', () => {
    close([wilcoxonSignedRank(differences).p, wilcoxonSignedRank(differences).statistic], [0.064453125, 46]);
    const tied = wilcoxonSignedRank([1, -1, 2, 2, 3, -2, 4, 4, 1, 5]);
    close([tied.p, tied.statistic], [0.041015625, 48]);
    const long = Array.from({ length: 70 }, (_, i) => Math.round(Math.sin(i + 1) * 5 + 0.8));
    const normal = wilcoxonSignedRank(long);
    close([normal.p, normal.statistic], [0.02576916664115559, 1495]);
    expect(wilcoxonSignedRank([0, 0]).p).toBe(1);
  });
});

describe('two proportions', () => {
  it('Newcombe, and Miettinen and Nurminen', () => {
    const seen = differenceOfProportions({ successes: 56, n: 70 }, { successes: 48, n: 80 });
    close([seen.low, seen.high], [0.052431472402364926, 0.33387265403690586]);
    const edge = differenceOfProportions({ successes: 0, n: 10 }, { successes: 3, n: 12 });
    close([edge.low, edge.high], [-0.53230533493356558, 0.070880415699408339]);
    const method = 'miettinen-nurminen';
    const score = differenceOfProportions({ successes: 56, n: 70 }, { successes: 48, n: 80 }, { method });
    close([score.low, score.high], [0.052829713234072796, 0.33817294004838394], 7);
    const small = differenceOfProportions({ successes: 3, n: 12 }, { successes: 1, n: 10 }, { method });
    close([small.low, small.high], [-0.2134713646042238, 0.4680931605614173], 7);
  });

  it('Tango for pairs', () => {
    const gain = differenceOfPaired({ both: 20, firstOnly: 12, secondOnly: 2, neither: 16 });
    close([gain.value, gain.low, gain.high], [0.2, 0.06111240683463295, 0.34470874752664027], 7);
    const loss = differenceOfPaired({ both: 43, firstOnly: 1, secondOnly: 9, neither: 32 });
    close([loss.low, loss.high], [-0.17964812769088673, -0.02656374057489879], 7);
  });

  it('every interval contains the estimate, stays within -1 to 1 and mirrors when sides change', () => {
    const side = fc
      .integer({ min: 1, max: 60 })
      .chain((n) => fc.record({ successes: fc.integer({ min: 0, max: n }), n: fc.constant(n) }));
    fc.assert(
      fc.property(side, side, fc.constantFrom('newcombe' as const, 'miettinen-nurminen' as const), (a, b, method) => {
        const seen = differenceOfProportions(a, b, { method });
        const mirrored = differenceOfProportions(b, a, { method });
        expect(seen.low <= seen.value + 1e-12 && seen.value <= seen.high + 1e-12).toBe(true);
        expect(seen.low >= -1 - 1e-12 && seen.high <= 1 + 1e-12).toBe(true);
        expect(seen.low).toBeCloseTo(-mirrored.high, 6);
        expect(fisherExact(a, b).p).toBeCloseTo(fisherExact(b, a).p, 8);
      }),
    );
    const cell = fc.nat(30);
    fc.assert(
      fc.property(cell, cell, cell, cell, (both, firstOnly, secondOnly, neither) => {
        fc.pre(both + firstOnly + secondOnly + neither > 0);
        const seen = differenceOfPaired({ both, firstOnly, secondOnly, neither });
        const mirrored = differenceOfPaired({ both, firstOnly: secondOnly, secondOnly: firstOnly, neither });
        expect(seen.low <= seen.value && seen.value <= seen.high).toBe(true);
        expect(seen.low).toBeCloseTo(-mirrored.high, 8);
      }),
    );
  });

  it('Fisher', () => {
    close(
      [
        fisherExact({ successes: 3, n: 20 }, { successes: 11, n: 22 }).p,
        fisherExact({ successes: 40, n: 100 }, { successes: 25, n: 100 }).p,
      ],
      [0.02320884871957881, 0.034143802314768698],
    );
    expect(() => fisherExact({ successes: 3, n: 2 }, { successes: 1, n: 2 })).toThrowError(/first.successes is 3/);
  });
});

describe('several tests at once', () => {
  it('Holm, Benjamini and Hochberg', () => {
    const p = [0.01, 0.04, 0.03, 0.2, 0.004, 0.03];
    close(holm(p), [0.05, 0.12, 0.12, 0.2, 0.024, 0.12]);
    close(benjaminiHochberg(p), [0.03, 0.048, 0.045, 0.2, 0.024, 0.045]);
    expect(holm([])).toEqual([]);
    expect(() => holm([1.2])).toThrowError(/p\[0\] is 1.2/);
  });
});

describe('correlations and fits', () => {
  it('Spearman and Kendall with ties', () => {
    const x = [1, 2, 2, 4, 5, 6, 7, 7, 9, 10];
    const y = [2, 1, 4, 3, 7, 5, 5, 9, 8, 8];
    close([spearman(x, y).value, spearman(x, y).p], [0.85582822085889587, 0.0015823919962796391]);
    close([kendall(x, y).value, kendall(x, y).p], [0.67441860465116277, 0.0084039222156180714]);
    expect(spearman(x, x).value).toBeCloseTo(1, 12);
    expect(() => spearman([1, 1, 1, 1], [1, 2, 3, 4])).toThrowError(/equal/);
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer(), { minLength: 5, maxLength: 12 }), fc.integer(), (values, seed) => {
        const other = random(seed).shuffle(values);
        const flipped = other.map((v) => -v);
        for (const measure of [spearman, kendall]) {
          const seen = measure(values, other);
          expect(seen.value).toBeCloseTo(-measure(values, flipped).value, 10);
          expect(seen.low <= seen.value && seen.value <= seen.high).toBe(true);
        }
      }),
    );
  });

  it('isotonic regression', () => {
    close([...isotonic([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5])], [2, 2, 2.5, 2.5, 5, 5, 5, 5, 5, 5, 5]);
    close([...isotonic([3, 1], [1, 3])], [1.5, 1.5]);
  });

  it('pass@k', () => {
    close([passAtK(3, 10, 5), passAtK(10, 200, 100)], [0.91666666666666663, 0.99922897393728216]);
    expect(passAtK(0, 10, 5)).toBe(0);
    expect(passAtK(6, 10, 5)).toBe(1);
    expect(
      meanPassAtK(
        [
          { successes: 1, n: 2 },
          { successes: 0, n: 2 },
        ],
        1,
      ),
    ).toBe(0.25);
    expect(() => passAtK(1, 2, 3)).toThrowError(/k is 3/);
  });
});
