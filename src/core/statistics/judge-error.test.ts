/**
 * Rogan and Gladen's estimate has a closed form; the intervals are judged by what they promise, their coverage in
 * simulated studies with a known rate. A planted fault, taking the judge's measured errors as exact, fails it.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { random } from '../random.ts';
import type { Random } from '../random.ts';
import { correctForJudge, roganGladen } from './judge-error.ts';
import type { Confusion } from './judge-error.ts';
import { wilson } from './proportion.ts';

const count = (stream: Random, n: number, p: number): number => {
  let k = 0;
  for (let i = 0; i < n; i++) if (stream.uniform() < p) k += 1;
  return k;
};

describe('roganGladen', () => {
  it('inverts what the judge does to a rate', () => {
    const unit = fc.double({ min: 0, max: 1, noNaN: true });
    const good = fc.double({ min: 0.6, max: 1, noNaN: true });
    fc.assert(
      fc.property(unit, good, good, (rate, sensitivity, specificity) => {
        const seen = rate * sensitivity + (1 - rate) * (1 - specificity);
        expect(roganGladen(seen, sensitivity, specificity)).toBeCloseTo(rate, 9);
      }),
    );
    expect(roganGladen(0.05, 0.9, 0.9)).toBe(0);
    expect(() => roganGladen(0.3, 0.5, 0.5)).toThrowError(
      expect.objectContaining({ code: 'statistics.useless-judge' }),
    );
  });
});

describe('correctForJudge', () => {
  it('is near the plain interval for a perfect, thoroughly checked judge, and wider for a poorly checked one', () => {
    const thorough: Confusion = { truePositives: 5000, falseNegatives: 0, trueNegatives: 5000, falsePositives: 0 };
    const poor: Confusion = { truePositives: 12, falseNegatives: 0, trueNegatives: 12, falsePositives: 0 };
    const plain = wilson(30, 200);
    for (const method of ['bayes', 'bootstrap'] as const) {
      const sure = correctForJudge(30, 200, thorough, random(1), { method });
      expect(Math.abs(sure.low - plain.low)).toBeLessThan(0.012);
      expect(Math.abs(sure.high - plain.high)).toBeLessThan(0.012);
      const unsure = correctForJudge(30, 200, poor, random(1), { method });
      expect(unsure.high - unsure.low).toBeGreaterThan((sure.high - sure.low) * 1.15);
      expect(unsure.low <= unsure.value && unsure.value <= unsure.high).toBe(true);
      expect(correctForJudge(30, 200, poor, random(1), { method })).toEqual(unsure);
    }
  });

  it('is cut at 0 and says so', () => {
    const seen = correctForJudge(
      2,
      200,
      { truePositives: 45, falseNegatives: 5, trueNegatives: 45, falsePositives: 5 },
      random(1),
      {
        method: 'bootstrap',
      },
    );
    expect(seen).toMatchObject({ value: 0, low: 0, isCut: true });
  });

  it.each(['bayes', 'bootstrap'] as const)('%s covers the planted rate at about the nominal share', (method) => {
    const stream = random('coverage');
    const runs = 150;
    for (const [rate, sensitivity, specificity] of [
      [0.05, 0.85, 0.95],
      [0.6, 0.8, 0.9],
    ] as const) {
      let covered = 0;
      let naive = 0;
      let careless = 0;
      for (let run = 0; run < runs; run++) {
        const hits = count(stream, 60, sensitivity);
        const clears = count(stream, 140, specificity);
        const seen = count(stream, 300, rate * sensitivity + (1 - rate) * (1 - specificity));
        const confusion = {
          truePositives: hits,
          falseNegatives: 60 - hits,
          trueNegatives: clears,
          falsePositives: 140 - clears,
        };
        const { low, high } = correctForJudge(seen, 300, confusion, stream.split(run), { method, draws: 200 });
        if (low <= rate && rate <= high) covered += 1 / runs;
        const plain = wilson(seen, 300);
        if (plain.low <= rate && rate <= plain.high) naive += 1 / runs;
        const ends = [plain.low, plain.high].map((end) => roganGladen(end, hits / 60, clears / 140));
        if (ends[0]! <= rate && rate <= ends[1]!) careless += 1 / runs;
      }
      // 95 % nominal; 150 runs leave a standard error of 1.8 %.
      expect(covered, `rate ${rate}`).toBeGreaterThan(0.9);
      expect(naive).toBeLessThan(0.85);
      expect(careless).toBeLessThan(0.9);
    }
  });

  it('refuses a judge at chance and impossible counts', () => {
    const confusion = { truePositives: 5, falseNegatives: 5, trueNegatives: 5, falsePositives: 5 };
    expect(() => correctForJudge(1, 10, confusion, random(1))).toThrowError(
      expect.objectContaining({ code: 'statistics.useless-judge' }),
    );
    expect(() => correctForJudge(11, 10, confusion, random(1))).toThrowError(/11/);
    expect(() => correctForJudge(1, 10, { ...confusion, truePositives: -1 }, random(1))).toThrowError(/-1/);
  });
});
