/**
 * Values: `Rscript src/core/statistics/reference.R` (sections proportions and clustered: prop.test, binom.test, t.test
 * and the sandwich written out) and `python3 src/core/statistics/reference.py` (section bootstrap: SciPy's BCa).
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { random } from '../random.ts';
import { bcaInterval, bootstrap, percentileInterval } from './bootstrap.ts';
import { clusteredMean, clusteredRate } from './clustered.ts';
import { clopperPearson, wilson } from './proportion.ts';

const mean = (sample: readonly number[]): number => sample.reduce((a, b) => a + b, 0) / sample.length;
const tally = fc.integer({ min: 1, max: 500 }).chain((n) => fc.tuple(fc.integer({ min: 0, max: n }), fc.constant(n)));

describe('one proportion', () => {
  it.each([
    [0, 20, 0, 0.1611251580528193, 0, 0.16843347098308536],
    [3, 20, 0.05236874589621661, 0.3604188647407569, 0.03207093718546373, 0.37892682654531396],
    [20, 20, 0.8388748419471806, 1, 0.8315665290169146, 1],
    [137, 1000, 0.11707313063299475, 0.1597050960275183, 0.11628168943368122, 0.15988096510541738],
  ])('%i of %i as in R', (k, n, wilsonLow, wilsonHigh, exactLow, exactHigh) => {
    expect(wilson(k, n).low).toBeCloseTo(wilsonLow, 12);
    expect(wilson(k, n).high).toBeCloseTo(wilsonHigh, 12);
    expect(clopperPearson(k, n).low).toBeCloseTo(exactLow, 12);
    expect(clopperPearson(k, n).high).toBeCloseTo(exactHigh, 12);
  });

  it('contains the estimate, mirrors under relabelling and narrows with n', () => {
    fc.assert(
      fc.property(tally, fc.constantFrom(wilson, clopperPearson), ([k, n], interval) => {
        const seen = interval(k, n);
        const mirrored = interval(n - k, n);
        expect(seen.low <= seen.value && seen.value <= seen.high && seen.low >= 0 && seen.high <= 1).toBe(true);
        expect(mirrored.low).toBeCloseTo(1 - seen.high, 10);
        const more = interval(k * 4, n * 4);
        expect(more.high - more.low).toBeLessThan(seen.high - seen.low);
      }),
    );
  });

  it('covers: Clopper-Pearson at least 95 % everywhere, Wilson about 95 %', () => {
    const covered = (interval: typeof wilson, n: number, p: number): number => {
      let sum = 0;
      let probability = (1 - p) ** n;
      for (let k = 0; k <= n; k++) {
        const { low, high } = interval(k, n);
        if (low <= p && p <= high) sum += probability;
        probability *= ((n - k) / (k + 1)) * (p / (1 - p));
      }
      return sum;
    };
    const rates = [0.02, 0.1, 0.27, 0.5, 0.83];
    for (const p of rates) expect(covered(clopperPearson, 40, p)).toBeGreaterThanOrEqual(0.95);
    expect(mean(rates.map((p) => covered(wilson, 40, p)))).toBeGreaterThan(0.935);
    expect(mean(rates.map((p) => covered(wilson, 40, p)))).toBeLessThan(0.97);
  });

  it.each([
    ['k > n', () => wilson(5, 4), '5'],
    ['n = 0', () => wilson(0, 0), '0'],
    ['NaN', () => clopperPearson(Number.NaN, 4), 'NaN'],
    ['negative', () => wilson(-1, 4), '-1'],
    ['half', () => wilson(0.5, 4), '0.5'],
    ['confidence of 95', () => wilson(1, 4, { confidence: 95 }), '95'],
    ['confidence of 1', () => wilson(1, 4, { confidence: 1 }), '1'],
  ])('refuses %s and names it', (_, call, named) => {
    expect(call).toThrowError(
      expect.objectContaining({ code: 'statistics.bad-input', message: expect.stringContaining(named) as string }),
    );
  });
});

describe('clusters', () => {
  const y = [1, 1, 0, 0, 1, 0, 1, 1, 1, 0.5];
  const g = ['a', 'a', 'a', 'b', 'b', 'c', 'd', 'd', 'd', 'd'];

  it('gives the sandwich error and the t interval', () => {
    const seen = clusteredMean(y, g);
    expect(seen.standardError).toBeCloseTo(0.13291601358251257, 14);
    expect(seen.low).toBeCloseTo(0.2270019236612938, 12);
    expect(seen.high).toBeCloseTo(1.0729980763387061, 12);
    expect(seen.designEffect).toBeCloseTo(0.7851851851851851, 12);
    const plain = clusteredMean(y);
    expect([plain.low, plain.high]).toEqual([
      expect.closeTo(0.31067642558026937, 12),
      expect.closeTo(0.9893235744197308, 12),
    ]);
    expect(() => clusteredMean([1, 0], ['a', 'a'])).toThrowError(/at least two/);
  });

  it('counts copies of an item once, and independent items as they are', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(0, 1), { minLength: 3, maxLength: 40 }),
        fc.integer({ min: 2, max: 5 }),
        (bits, copies) => {
          const names = bits.map((_, i) => `item ${i}`);
          const values = bits.flatMap((bit) => Array.from({ length: copies }, () => bit));
          const clusters = names.flatMap((name) => Array.from({ length: copies }, () => name));
          const seen = clusteredRate(values, clusters);
          expect(seen.low <= seen.value && seen.value <= seen.high).toBe(true);
          // Copies carry no news: the effective number is that of the originals, up to the variance's n - 1.
          const sum = bits.reduce<number>((a, b) => a + b, 0);
          const [many, few] = [values.length, bits.length];
          const expected = sum === 0 || sum === few ? few : (many * (few - 1)) / (many - 1);
          expect(seen.effectiveN).toBeCloseTo(expected, 9);
          expect(clusteredRate(bits, names).low).toBeCloseTo(wilson(sum, bits.length).low, 12);
        },
      ),
    );
    expect(clusteredRate([1, 1, 1, 1], ['a', 'a', 'b', 'b']).effectiveN).toBe(2);
  });

  it('covers a rate with strong clusters where the plain interval does not', () => {
    const stream = random('clusters');
    let clustered = 0;
    let plain = 0;
    const runs = 600;
    for (let run = 0; run < runs; run++) {
      const values: number[] = [];
      const clusters: string[] = [];
      for (let c = 0; c < 25; c++) {
        const inCluster = stream.uniform() < 0.3 ? 0.9 : 0.1; // rate 0.34
        for (let i = 0; i < 8; i++) {
          values.push(stream.uniform() < inCluster ? 1 : 0);
          clusters.push(String(c));
        }
      }
      const honest = clusteredRate(values, clusters);
      if (honest.low <= 0.34 && 0.34 <= honest.high) clustered += 1 / runs;
      const naive = wilson(
        values.reduce((a, b) => a + b),
        values.length,
      );
      if (naive.low <= 0.34 && 0.34 <= naive.high) plain += 1 / runs;
    }
    expect(clustered).toBeGreaterThan(0.92);
    expect(plain).toBeLessThan(0.75);
  });
});

describe('bootstrap', () => {
  const sample = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5];

  it('makes the intervals of SciPy from given replicates', () => {
    const replicates = Array.from(
      { length: 499 },
      (_, i) => (((i * 7919) % 499) / 499) * 4 + 2.2 + ((i * i) % 97) / 97,
    );
    const leftOut = sample.map((_, out) => mean(sample.filter((_, i) => i !== out)));
    const bca = bcaInterval(mean(sample), replicates, leftOut, 0.95);
    expect(bca.low).toBeCloseTo(2.3465085735702664, 12);
    expect(bca.high).toBeCloseTo(6.169281821075913, 12);
    const percentile = percentileInterval(replicates, 0.95);
    expect(percentile.low).toBeCloseTo(2.5941325950870815, 12);
    expect(percentile.high).toBeCloseTo(6.812180030163421, 12);
  });

  it('comes near SciPy with 100,000 resamples, and repeats with its seed', () => {
    const seen = bootstrap(sample, mean, random(1), { resamples: 20_000 });
    expect(Math.abs(seen.low - 2.8181818181818183)).toBeLessThan(0.1);
    expect(Math.abs(seen.high - 5.545454545454546)).toBeLessThan(0.1);
    expect(Math.abs(seen.standardError - 0.6810406636530445)).toBeLessThan(0.02);
    expect(bootstrap(sample, mean, random(2))).toEqual(bootstrap(sample, mean, random(2)));
  });

  it('draws clusters whole', () => {
    const items = sample.flatMap((value, i) => [1, 2, 3, 4].map(() => ({ value, of: String(i) })));
    const meanOf = (list: readonly { value: number }[]): number => mean(list.map((item) => item.value));
    const whole = bootstrap(items, meanOf, random(1), { cluster: (item) => item.of });
    const loose = bootstrap(items, meanOf, random(1));
    expect(Math.abs(whole.standardError - 0.681)).toBeLessThan(0.05);
    expect(loose.standardError).toBeLessThan(0.4);
  });

  it('says where BCa is undefined', () => {
    const greatest = (list: readonly number[]): number => Math.max(...list) + (list.length > 11 ? 1 : 0);
    expect(bootstrap([2, 2, 2], mean, random(1))).toMatchObject({ low: 2, high: 2 });
    expect(() => bcaInterval(0, [1, 2, 3], [1, 2], 0.95)).toThrowError(/one side/);
    expect(bootstrap(sample, greatest, random(1), { method: 'percentile' }).high).toBe(9);
    expect(() => bootstrap([1], mean, random(1))).toThrowError(/at least two/);
  });
});
