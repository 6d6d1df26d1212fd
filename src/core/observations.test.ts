/** Rates over observations that were not all measured. Wilson's ends are those of intervals.test.ts (R's prop.test). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeMeasure } from './measures.ts';
import { mean, pair, rate } from './observations.ts';
import type { Observation } from './observations.ts';
import { random } from './random.ts';

const measured = (value: number, i: number, cluster?: string): Observation => ({
  item: `item ${i}`,
  status: 'measured',
  value,
  ...(cluster === undefined ? {} : { cluster }),
});
const lost = (status: 'undetermined' | 'error', i: number, why = 'judge refused'): Observation => ({
  item: `lost ${i}`,
  status,
  why,
});
const some = (ones: number, zeros: number, undetermined = 0, errors = 0): Observation[] => [
  ...Array.from({ length: ones }, (_, i) => measured(1, i)),
  ...Array.from({ length: zeros }, (_, i) => measured(0, ones + i)),
  ...Array.from({ length: undetermined }, (_, i) => lost('undetermined', i)),
  ...Array.from({ length: errors }, (_, i) => lost('error', undetermined + i, 'timed out')),
];
const options = { name: 'attack success', better: 'down' } as const;
const ref = `sha256:${'0'.repeat(64)}` as const;

describe('rate', () => {
  it('states n, interval, and worst and best case over the undetermined', () => {
    const seen = rate(some(3, 17, 4, 1), options);
    expect(seen).toMatchObject({
      value: 0.15,
      n: 20,
      count: 3,
      undetermined: 4,
      errors: 1,
      unit: 'share',
      effectiveN: 20,
    });
    expect(seen.low).toBeCloseTo(0.05236874589621661, 12);
    expect(seen.high).toBeCloseTo(0.3604188647407569, 12);
    expect(seen.bounds).toEqual([7 / 24, 3 / 24]);
    expect(rate(some(3, 17, 4), { ...options, better: 'up' }).bounds).toEqual([3 / 24, 7 / 24]);
    expect(describeMeasure(seen)).toBe(
      'attack success 15.0 % [5.2 %, 36.0 %], n = 20, 4 undetermined: 12.5 % to 29.2 %, 1 errors',
    );
  });

  it('never counts the undetermined as safe or as breach, whatever the order', () => {
    const size = fc.integer({ min: 0, max: 30 });
    fc.assert(
      fc.property(size, size, size, fc.string(), (ones, zeros, unknown, seed) => {
        fc.pre(ones + zeros > 0);
        const list = some(ones, zeros, unknown);
        const seen = rate(list, options);
        expect(seen.value).toBe(ones / (ones + zeros));
        const [worst, best] = seen.bounds;
        expect(best <= seen.value && seen.value <= worst).toBe(true);
        expect(seen.low <= seen.value && seen.value <= seen.high).toBe(true);
        expect(seen.widest[0] <= Math.min(seen.low, best) && seen.widest[1] >= Math.max(seen.high, worst)).toBe(true);
        // Any way the undetermined could have come out lies between the cases.
        const known = rate(
          [...some(ones, zeros), ...Array.from({ length: unknown }, (_, i) => measured(i % 2, 900 + i))],
          options,
        );
        expect(best <= known.value + 1e-12 && known.value <= worst + 1e-12).toBe(true);
        expect(rate(random(seed).shuffle(list), options)).toEqual(seen);
      }),
    );
  });

  it('fails loudly past the share of errors, and where nothing was measured', () => {
    expect(rate(some(5, 85, 0, 10), options).errors).toBe(10);
    expect(() => rate(some(5, 84, 0, 11), options)).toThrowError(
      expect.objectContaining({
        code: 'observations.too-many-errors',
        message: expect.stringContaining('11 of 100 trials failed (11: timed out)') as string,
      }),
    );
    expect(rate(some(5, 84, 0, 11), { ...options, maxErrorShare: 0.2 }).errors).toBe(11);
    expect(() => rate(some(0, 0, 7), options)).toThrowError(
      expect.objectContaining({
        code: 'observations.nothing-measured',
        message: expect.stringContaining('7: judge refused') as string,
      }),
    );
    expect(() => rate([], options)).toThrowError(/no observations/);
    expect(() => rate([measured(0.5, 1)], options)).toThrowError(
      expect.objectContaining({ code: 'observations.not-a-rate' }),
    );
    expect(() => rate([measured(Number.NaN, 1)], options)).toThrowError(/NaN/);
  });

  it('honours clusters', () => {
    const list = [1, 1, 0, 0].flatMap((value, c) => [0, 1, 2, 3, 4].map((i) => measured(value, c * 5 + i, `c${c}`)));
    const seen = rate(list, options);
    const flat = rate(
      list.map(({ item }, i) => measured(i < 10 ? 1 : 0, i, item)),
      options,
    );
    expect(seen.clusters).toBe(4);
    expect(seen.effectiveN).toBeLessThan(4);
    expect(seen.high - seen.low).toBeGreaterThan(2 * (flat.high - flat.low) * 0.9);
    expect(flat.effectiveN).toBe(20);
  });

  it("corrects for the judge's measured errors with their uncertainty, and says by what", () => {
    const confusion = { truePositives: 80, falseNegatives: 20, trueNegatives: 90, falsePositives: 10 };
    const judge = { confusion, by: ref, random: random(1) };
    const seen = rate(some(150, 350), { ...options, judge });
    expect(seen.value).toBe(0.3);
    expect(seen.corrected?.by).toBe(ref);
    // Rogan and Gladen: (0.3 + 0.9 - 1) / 0.7 = 0.2857.
    expect(Math.abs(seen.corrected!.value - 0.2857)).toBeLessThan(0.02);
    expect(seen.corrected!.high - seen.corrected!.low).toBeGreaterThan(seen.high - seen.low);
    expect(rate(some(150, 350), { ...options, judge })).toEqual(seen);
    expect(rate(some(1, 2), options).corrected).toBeUndefined();
  });
});

describe('mean and pair', () => {
  it('gives a mean, its t interval and the cases over the undetermined', () => {
    const list = [...[1, 1, 0, 0, 1, 0, 1, 1, 1, 0.5].map((value, i) => measured(value, i)), lost('undetermined', 1)];
    const seen = mean(list, { name: 'score', better: 'up', range: [0, 1] });
    expect([seen.low, seen.high]).toEqual([
      expect.closeTo(0.31067642558026937, 12),
      expect.closeTo(0.9893235744197308, 12),
    ]);
    expect(seen.bounds).toEqual([expect.closeTo(6.5 / 11, 12), expect.closeTo(7.5 / 11, 12)]);
    expect(mean(list, { name: 'score', better: 'up' }).bounds).toBeUndefined();
    expect(() => mean(list, { name: 'score', better: 'up', range: [0, 0.9] })).toThrowError(/outside the range/);
  });

  it('pairs by item and counts what has no partner', () => {
    const first = [measured(1, 1), measured(0, 2), lost('undetermined', 3)];
    const second = [measured(0, 2), measured(0, 1), measured(1, 4)];
    const { pairs, unpaired } = pair(first, second);
    expect(pairs).toEqual([
      { item: 'item 1', first: 1, second: 0 },
      { item: 'item 2', first: 0, second: 0 },
    ]);
    expect(unpaired).toBe(2);
    expect(() => pair([measured(1, 1), measured(1, 1)], second)).toThrowError(/observed twice/);
  });
});
