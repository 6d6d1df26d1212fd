import { describe, expect, test } from 'vitest';
import { random } from '../../core/random.ts';
import { normalCdf } from '../../core/statistics/index.ts';
import { logisticRegression, scaled, scalingOf, scoreOf, unscaled } from './logistic.ts';
import { cosineOf } from './mean-difference.ts';

const rows = Array.from({ length: 12 }, (_, i) => [1, 2, 3].map((j) => Math.cos(1.3 * (i * 3 + j))));
const labels = rows.map((row, i) => (Math.cos(0.9 * (i + 1)) + row[0]! > 0 ? 1 : 0));

describe('the minimum is that of SciPy', () => {
  // X = np.array([[np.cos(1.3 * (i * 3 + j + 1)) for j in range(3)] for i in range(12)])
  // y = np.array([1 if np.cos(0.9 * (i + 1)) + X[i, 0] > 0 else -1 for i in range(12)])
  // minimize(lambda w: .5 * w[:3] @ w[:3] + C * np.logaddexp(0, -y * (X @ w[:3] + w[3])).sum(), np.zeros(4),
  //          method='BFGS', options=dict(gtol=1e-10)).x
  test.each([
    [0.1, [0.2507291, -0.06877489, -0.28752352, 0.30322789]],
    [1, [1.00184563, -0.37665279, -1.20335403, 0.31841101]],
    [10, [2.30516351, -1.08584791, -2.88608981, 0.69767848]],
  ])('C = %d', (c, expected) => {
    const { weights, bias } = logisticRegression(rows, labels, { c });
    [...weights, bias].forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 5));
  });
});

test('a probe for scaled rows is one for the rows themselves', () => {
  const moved = rows.map((row) => [row[0]! * 100 + 7, row[1]!, 5]);
  const scaling = scalingOf(moved);
  const probe = logisticRegression(
    moved.map((row) => scaled(scaling, row)),
    labels,
  );
  const own = unscaled(probe, scaling);
  for (const row of moved) expect(scoreOf(own, row)).toBeCloseTo(scoreOf(probe, scaled(scaling, row)), 9);
  expect(own.weights[2]).toBe(0);
});

describe('x = y v + noise, 64 dimensions', () => {
  const [width, n] = [64, 1200];
  const stream = random('probe');
  const v = new Float64Array(width);
  v[0] = 1.5;
  const draw = (name: string, size: number, dims = width) =>
    Array.from({ length: size }, (_, i) => {
      const own = stream.split(name).split(i);
      const label = own.uniform() < 0.5 ? 1 : 0;
      const row = own.fillNormal(new Float64Array(dims));
      row[0]! += (label === 1 ? 1 : -1) * v[0]!;
      return { row, label };
    });
  const fit = (data: readonly { row: Float64Array; label: number }[], c: number) =>
    logisticRegression(
      data.map(({ row }) => row),
      data.map(({ label }) => label),
      { c },
    );
  const accuracy = (probe: ReturnType<typeof fit>, data: readonly { row: Float64Array; label: number }[]): number =>
    data.filter(({ row, label }) => scoreOf(probe, row) > 0 === (label === 1)).length / data.length;

  test('the direction comes back with a cosine above 0.95, the accuracy is Phi(|v| / sigma)', () => {
    const probe = fit(draw('train', n), 0.01);
    expect(cosineOf(probe.weights, v)).toBeGreaterThan(0.95);
    expect(Math.abs(accuracy(probe, draw('test', 2000)) - normalCdf(1.5))).toBeLessThan(0.025);
  });
  test('permuted labels give one half', () => {
    const data = draw('train', n);
    const order = random('permuted').shuffle(data.map(({ label }) => label));
    const probe = fit(
      data.map(({ row }, i) => ({ row, label: order[i]! })),
      0.01,
    );
    expect(Math.abs(accuracy(probe, draw('test', 2000)) - 0.5)).toBeLessThan(0.06);
  });
  test('with as many dimensions as rows any labels are learned, which is why controls are needed', () => {
    const few = draw('few', 64).map(({ row }, i) => ({ row, label: random('any').split(i).uniform() < 0.5 ? 1 : 0 }));
    expect(accuracy(fit(few, 1e4), few)).toBe(1);
  });
});
