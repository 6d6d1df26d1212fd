/**
 * What a sequential method promises is an error rate under optional stopping, so that is simulated: trials are looked
 * at one by one and stopped as soon as they seem to show something. The planted fault, an ordinary interval looked at
 * after every trial, breaks the promise in the same simulation.
 */
import { describe, expect, it } from 'vitest';
import { random } from '../random.ts';
import { normalCritical } from './distributions.ts';
import { wilsonOfShare } from './proportion.ts';
import { bettingTest, confidenceSequence } from './sequential.ts';

const trials = (seed: string, n: number, rate: number): number[] => {
  const stream = random(seed);
  return Array.from({ length: n }, () => (stream.uniform() < rate ? 1 : 0));
};

describe('bettingTest', () => {
  it.each(['greater', 'less', 'two-sided'] as const)(
    'errs (%s) below the level whenever it is stopped',
    (alternative) => {
      const runs = 800;
      for (const rate of [0.05, 0.5]) {
        let wrong = 0;
        for (let run = 0; run < runs; run++) {
          const seen = bettingTest(trials(`null ${run}`, 400, rate), rate, { alternative, level: 0.1 });
          if (seen.decidedAt !== undefined) wrong += 1 / runs;
        }
        expect(wrong).toBeLessThan(0.1 + 2 * Math.sqrt(0.09 / runs));
      }
    },
  );

  it('finds a raised rate, and earlier where it is raised further', () => {
    const found = (rate: number): number[] =>
      Array.from(
        { length: 60 },
        (_, run) => bettingTest(trials(`alternative ${run}`, 600, rate), 0.05).decidedAt ?? Infinity,
      );
    const [near, far] = [found(0.15), found(0.4)].map((list) => list.sort((a, b) => a - b));
    expect(near!.filter(Number.isFinite).length).toBeGreaterThan(54);
    expect(far![30]!).toBeLessThan(near![30]!);
    expect(far![30]!).toBeLessThan(40);
    const none = bettingTest([0, 0, 0], 0.05);
    expect(none.decidedAt).toBeUndefined();
    expect(none.p).toBe(1);
  });

  it('finds a lowered rate and either side', () => {
    expect(bettingTest(trials('low', 600, 0.2), 0.5, { alternative: 'less' }).p).toBeLessThan(0.001);
    expect(bettingTest(trials('low', 600, 0.2), 0.5, { alternative: 'two-sided' }).p).toBeLessThan(0.001);
    expect(bettingTest(trials('low', 600, 0.2), 0.5, { alternative: 'greater' }).p).toBeGreaterThan(0.05);
  });
});

describe('confidenceSequence', () => {
  it('holds the truth at every look; an ordinary interval looked at every time does not', () => {
    const runs = 150;
    const critical = normalCritical(0.9);
    for (const rate of [0.1, 0.5]) {
      let missed = 0;
      let missedOrdinary = 0;
      for (let run = 0; run < runs; run++) {
        const values = trials(`looks ${run}`, 250, rate);
        const steps = confidenceSequence(values, { confidence: 0.9 });
        if (steps.some(({ low, high }) => low > rate || rate > high)) missed += 1 / runs;
        const ordinary = steps.map(({ value, n }) => wilsonOfShare(value, n, critical));
        if (ordinary.some(({ low, high }) => low > rate || rate > high)) missedOrdinary += 1 / runs;
      }
      expect(missed).toBeLessThan(0.1 + 2 * Math.sqrt(0.09 / runs));
      expect(missedOrdinary).toBeGreaterThan(0.2);
    }
  });

  it('narrows, contains the mean, and mirrors', () => {
    const values = trials('mirror', 1500, 0.3);
    const steps = confidenceSequence(values);
    const mirrored = confidenceSequence(values.map((v) => 1 - v));
    const end = steps.at(-1)!;
    expect(end.high - end.low).toBeLessThan(0.12);
    expect(steps.every(({ low, value, high }) => low <= value && value <= high)).toBe(true);
    expect(mirrored.at(-1)!.low).toBeCloseTo(1 - end.high, 9);
    expect(steps[10]!.high - steps[10]!.low).toBeGreaterThan(end.high - end.low);
  });

  it('refuses values outside 0 to 1', () => {
    expect(() => confidenceSequence([0, 2])).toThrowError(/values\[1\] is 2/);
    expect(() => bettingTest([1], 0)).toThrowError(/assumed is 0/);
    expect(() => bettingTest([], 0.1)).toThrowError(/length of values is 0/);
  });
});
