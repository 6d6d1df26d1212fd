/**
 * The losses against NumPy and SciPy (gradients by scipy.optimize.approx_fprime), and card B2's values.
 *
 * sig = lambda z: 1/(1+np.exp(-z)); z = np.array([0., 2., -1., .5, 2.5, -3.])
 * running maximum: p=sig(z); q=(1-w)*p+w*np.maximum.accumulate(p); -np.mean(np.log(q if y else 1-q))
 * softmax: zb = window means; a=np.exp(zb/tau); a/=a.sum(); (a*np.log1p(np.exp(-zb if y else zb))).sum()
 */
import { describe, expect, it } from 'vitest';
import { runningMaximumLoss, softmaxWeightedLoss } from './token-losses.ts';

const z = [0, 2, -1, 0.5, 2.5, -3];
const close = (gradient: Float64Array, expected: readonly number[]) =>
  expected.forEach((value, t) => expect(gradient[t]).toBeCloseTo(value, 5));

describe('running-maximum loss', () => {
  it.each([
    [0, 0, 1.1224818248612565, [0.083333, 0.1468, 0.044824, 0.103743, 0.154024, 0.007904]],
    [0, 0.5, 1.3853772476391697, [0.083333, 0.202607, 0.03854, 0.078848, 0.165385, 0.007321]],
    [0, 1, 2.03861844704566, [0.083333, 0.440399, 0, 0, 0.308047, 0]],
    [1, 0, 0.9558151581945898, [-0.083333, -0.019867, -0.121843, -0.062923, -0.012643, -0.158762]],
    [1, 0.5, 0.41001376367263526, [-0.083333, -0.046728, -0.028501, -0.026055, -0.024669, -0.00775]],
    [1, 1, 0.20528511371232702, [-0.083333, -0.059601, 0, 0, -0.025286, 0]],
  ] as const)('label %i, blend %d', (label, blend, loss, gradient) => {
    const found = runningMaximumLoss(z, label, blend);
    expect(found.loss).toBeCloseTo(loss, 12);
    close(found.gradient, gradient);
  });

  it('stays finite where probabilities round to 0 and 1', () => {
    const { loss, gradient } = runningMaximumLoss([800, -800], 0, 0.5);
    expect(loss).toBeGreaterThan(300);
    expect(gradient.every((value) => Number.isFinite(value))).toBe(true);
    expect(() => runningMaximumLoss([], 1, 0)).toThrow('no logits');
  });
});

describe('softmax-weighted loss (card B2)', () => {
  it('of a constant logit 1.3 is 0.2410 for any temperature and window', () => {
    for (const window of [1, 5, 16]) {
      for (const temperature of [0.1, 1, 10]) {
        expect(
          softmaxWeightedLoss(
            Array.from({ length: 24 }, () => 1.3),
            1,
            { window, temperature },
          ).loss,
        ).toBeCloseTo(0.2410084538329922, 12);
      }
    }
  });

  it('runs from the maximum to the mean of the positions with its temperature', () => {
    const burst = Array.from({ length: 24 }, (_, t) => (t >= 8 && t < 16 ? 4 : 0));
    const at = (temperature: number) => softmaxWeightedLoss(burst, 0, { window: 4, temperature }).loss;
    expect(at(1e-6)).toBeCloseTo(4.018, 3);
    expect(at(1)).toBeCloseTo(3.684, 3);
    expect(at(1e6)).toBeCloseTo(1.905, 3);
  });

  it.each([
    [1, 3, 1, 0.5066544670044086, [-0.029795, -0.06741, -0.114166, -0.101811, -0.064196, -0.01744]],
    [0, 3, 0.5, 0.9665940045825084, [0.027224, 0.08828, 0.207206, 0.178329, 0.117274, -0.001652]],
    [1, 16, 1, 0.6132820580996374, Array.from({ length: 6 }, () => -0.076405)],
  ] as const)('label %i, window %i, temperature %d', (label, window, temperature, loss, gradient) => {
    const found = softmaxWeightedLoss(z, label, { window, temperature });
    expect(found.loss).toBeCloseTo(loss, 12);
    close(found.gradient, gradient);
  });
});
