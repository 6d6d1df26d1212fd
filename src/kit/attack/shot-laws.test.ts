/**
 * The laws of demonstrations against SciPy, and where they must not be fitted.
 *
 *   n=[1,4,16,64,256]; k=[9,21,47,78,95]; m=100 each; minimize(-loglik, method='Nelder-Mead', xatol=1e-12, fatol=1e-14)
 *     a, b = 0.74365247, 17.89503969
 *   curve_fit(lambda n,C,a,K: C*n**-a+K, [1,2,4,8,16,32,64], [4.1,2.9,2.3,1.8,1.5,1.35,1.2], p0=[3,.5,1])
 *     C, a, K = 3.06210581, 0.65931039, 1.02041247
 */
import { describe, expect, it } from 'vitest';
import { fitBetaLaw, fitPowerLaw } from './shot-laws.ts';

const counts = [
  [1, 9],
  [4, 21],
  [16, 47],
  [64, 78],
  [256, 95],
].map(([shots, successes]) => ({ shots: shots!, successes: successes!, trials: 100 }));

describe('the belief of a target', () => {
  it('is what SciPy finds', () => {
    const law = fitBetaLaw(counts)!;
    expect(law.a.value).toBeCloseTo(0.74365247, 5);
    expect(law.b.value).toBeCloseTo(17.89503969, 4);
    expect(law.evenShots).toBeCloseTo(17.1513872, 4);
    expect(law.a.low).toBeLessThan(law.a.value);
    expect(law.b.high).toBeGreaterThan(law.b.value);
  });

  it('is not told by one number of shots, or by none or all', () => {
    expect(fitBetaLaw(counts.slice(0, 1))).toBeUndefined();
    expect(fitBetaLaw(counts.map((each) => ({ ...each, successes: 0 })))).toBeUndefined();
    expect(fitBetaLaw(counts.map((each) => ({ ...each, successes: 100 })))).toBeUndefined();
    // A step has no finite belief: below it nothing, above it all.
    expect(fitBetaLaw(counts.map((each) => ({ ...each, successes: each.shots > 10 ? 100 : 0 })))).toBeUndefined();
  });
});

describe('the power law', () => {
  it('is what SciPy finds', () => {
    const losses = [4.1, 2.9, 2.3, 1.8, 1.5, 1.35, 1.2].map((loss, i) => ({ shots: 2 ** i, loss }));
    const law = fitPowerLaw(losses)!;
    expect(law.scale).toBeCloseTo(3.06210581, 5);
    expect(law.exponent).toBeCloseTo(0.65931039, 5);
    expect(law.floor).toBeCloseTo(1.02041247, 5);
  });

  it('has no floor below zero, and is not fitted to what does not fall', () => {
    const pure = [1, 2, 4, 8, 16].map((shots) => ({ shots, loss: 5 * shots ** -0.3 - (shots > 8 ? 0.4 : 0) }));
    expect(fitPowerLaw(pure)!.floor).toBe(0);
    expect(fitPowerLaw([1, 2, 4, 8].map((shots) => ({ shots, loss: shots })))).toBeUndefined();
    expect(fitPowerLaw(pure.slice(0, 3))).toBeUndefined();
  });
});
