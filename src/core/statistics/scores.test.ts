/** Values: `python3 src/core/statistics/reference.py`, sections "roc" and "probability scores". */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { random } from '../random.ts';
import { brierScore, expectedCalibrationError, logScore, reliabilityCurve } from './probability-scores.ts';
import { auroc, compareAuroc, partialAuroc, rocCurve, truePositiveRateAt } from './roc.ts';

const first = [0.1, 0.4, 0.35, 0.8, 0.65, 0.9, 0.4, 0.55, 0.2, 0.7, 0.6, 0.3, 0.85, 0.5, 0.45, 0.15];
const second = [0.3, 0.2, 0.55, 0.6, 0.75, 0.7, 0.1, 0.65, 0.4, 0.5, 0.8, 0.35, 0.9, 0.25, 0.6, 0.45];
const labels = [0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1, 1, 0, 0];

describe('ROC', () => {
  it("areas with DeLong's intervals, and their comparison", () => {
    const area = auroc(first, labels);
    expect(area.value).toBeCloseTo(0.8888888888888888, 12);
    expect(area.standardError).toBeCloseTo(0.08967434527343013, 12);
    expect([area.low, area.high]).toEqual([
      expect.closeTo(0.5744148585810898, 10),
      expect.closeTo(0.9793464091276843, 10),
    ]);
    expect(auroc(second, labels).value).toBeCloseTo(0.7222222222222222, 12);
    const difference = compareAuroc(first, second, labels);
    expect(difference.value).toBeCloseTo(0.16666666666666663, 12);
    expect(difference.low).toBeCloseTo(-0.07043429070818277, 10);
    expect(difference.p).toBeCloseTo(0.16828723577445404, 10);
  });

  it('partial areas', () => {
    const [wide, narrow] = [partialAuroc(first, labels, 0.3), partialAuroc(first, labels, 0.1)];
    expect([wide.area, wide.standardised]).toEqual([
      expect.closeTo(0.22539682539682537, 12),
      expect.closeTo(0.8537192654839714, 12),
    ]);
    expect([narrow.area, narrow.standardised]).toEqual([
      expect.closeTo(0.07142857142857144, 12),
      expect.closeTo(0.849624060150376, 12),
    ]);
    expect(partialAuroc(first, labels, 1).area).toBeCloseTo(auroc(first, labels).value, 12);
  });

  it('is the share of ordered pairs, mirrors, and ignores monotone changes of the score', () => {
    const item = fc.tuple(fc.integer({ min: 0, max: 12 }), fc.boolean());
    fc.assert(
      fc.property(fc.array(item, { minLength: 4, maxLength: 40 }), (items) => {
        const [scores, truth] = [items.map(([s]) => s), items.map(([, t]) => t)];
        fc.pre(truth.includes(true) && truth.includes(false));
        const area = auroc(scores, truth);
        expect(area.low <= area.value && area.value <= area.high).toBe(true);
        expect(
          auroc(
            scores.map((s) => -s),
            truth,
          ).value,
        ).toBeCloseTo(1 - area.value, 12);
        expect(
          auroc(
            scores.map((s) => Math.exp(s)),
            truth,
          ).value,
        ).toBeCloseTo(area.value, 12);
        expect(partialAuroc(scores, truth, 1).area).toBeCloseTo(area.value, 12);
        expect(rocCurve(scores, truth).at(-1)).toMatchObject({ falsePositiveRate: 1, truePositiveRate: 1 });
        const point = truePositiveRateAt(scores, truth, 0.25, random(1), { resamples: 60 });
        // The threshold reproduces both rates on the data.
        const share = (wanted: boolean): number => {
          const own = items.filter(([, t]) => t === wanted);
          return own.filter(([s]) => s >= point.threshold).length / own.length;
        };
        expect(share(true)).toBeCloseTo(point.value, 12);
        expect(share(false)).toBeCloseTo(point.falsePositiveRate.value, 12);
        expect(point.falsePositiveRate.value).toBeLessThanOrEqual(0.25);
        const best = Math.max(
          ...rocCurve(scores, truth)
            .filter((p) => p.falsePositiveRate <= 0.25)
            .map((p) => p.truePositiveRate),
        );
        expect(point.value).toBeCloseTo(best, 12);
      }),
    );
  });

  it('intervals cover the planted area and the planted rate at 5 % false alarms', () => {
    // Normal scores one and a half deviations apart: area Phi(1.5 / sqrt 2) and rate 1 - Phi(z(0.95) - 1.5), by SciPy:
    // python3 -c "from scipy.stats import norm; print(norm.cdf(1.5 / 2**.5), norm.sf(norm.ppf(.95) - 1.5))"
    const [area, rate] = [0.8555778168267576, 0.4424132202501236];
    const stream = random('roc');
    const runs = 200;
    let [coveredArea, coveredRate] = [0, 0];
    for (let run = 0; run < runs; run++) {
      const truth = Array.from({ length: 160 }, (_, i) => i % 2);
      const scores = truth.map((t) => stream.normal() + 1.5 * t);
      const seen = auroc(scores, truth);
      if (seen.low <= area && area <= seen.high) coveredArea += 1 / runs;
      const point = truePositiveRateAt(scores, truth, 0.05, stream, { resamples: 200 });
      if (point.low <= rate && rate <= point.high) coveredRate += 1 / runs;
    }
    expect(coveredArea).toBeGreaterThan(0.91);
    expect(coveredRate).toBeGreaterThan(0.88);
  });

  it('keeps an open interval at perfect separation, and refuses one-sided data', () => {
    const perfect = auroc([1, 2, 3, 4], [0, 0, 1, 1]);
    expect(perfect.value).toBe(1);
    expect(perfect.low).toBeLessThan(0.5);
    expect(() => auroc([1, 2], [1, 1])).toThrowError(/negatives is 0/);
    expect(() => auroc([1, 2], [1, 2])).toThrowError(/labels\[1\] is 2/);
    expect(() => auroc([Number.NaN, 2], [1, 0])).toThrowError(/NaN/);
  });
});

describe('probabilities', () => {
  const stated = [...first.slice(0, 15), 1];

  it('Brier, logarithmic score and calibration error', () => {
    expect(brierScore(stated, labels)).toBeCloseTo(0.20515625, 12);
    expect(logScore(stated, labels, 0.001)).toBeCloseTo(0.8717919454895035, 12);
    expect(logScore(stated, labels)).toBe(Infinity);
    expect(expectedCalibrationError(stated, labels, { bins: 5 })).toBeCloseTo(0.134375, 12);
    expect(expectedCalibrationError(stated, labels, { bins: 4, by: 'count' })).toBeCloseTo(0.115625, 12);
  });

  it('finds calibrated forecasts calibrated and over-confident ones not', () => {
    const stream = random('forecasts');
    const truth = Array.from({ length: 4000 }, () => stream.uniform());
    const came = truth.map((p) => (stream.uniform() < p ? 1 : 0));
    const bold = truth.map((p) => (p > 0.5 ? Math.sqrt(p) : p * p));
    expect(expectedCalibrationError(truth, came)).toBeLessThan(0.03);
    expect(expectedCalibrationError(bold, came)).toBeGreaterThan(0.06);
    expect(brierScore(truth, came)).toBeLessThan(brierScore(bold, came));
    const curve = reliabilityCurve(truth, came);
    expect(curve.filter(({ stated, low, high }) => low <= stated && stated <= high).length).toBeGreaterThanOrEqual(8);
    expect(() => brierScore([1.2], [1])).toThrowError(/1.2/);
    expect(() => brierScore([0.2], [0.5])).toThrowError(/0.5/);
  });
});
