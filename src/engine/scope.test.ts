import { expect, it } from 'vitest';
import { random } from '../core/random.ts';
import { add, compile, type Tensor, tensor } from './index.ts';
import { randomNormal, randomUniform } from './random-arrays.ts';
import { scoped } from './scope.ts';

const twice = compile((x: Tensor) => ({ y: add(x, x), z: add(x, 1) }), { label: 'twice' });

it('frees what a scope made and keeps what it returns or was told to keep', async () => {
  let leaked: Tensor | undefined;
  let held: Tensor | undefined;
  const given = tensor([1, 2]);
  const y = await scoped(async (keep) => {
    const first = await twice(given);
    leaked = first.z;
    held = keep((await twice(given)).z);
    return first.y;
  });
  expect([...y.toFloat64()]).toEqual([2, 4]);
  expect([...held!.toFloat64()]).toEqual([2, 3]);
  expect([...given.toFloat64()]).toEqual([1, 2]);
  expect(() => leaked!.data).toThrow(/its scope has ended/);
  await expect(twice(leaked!)).rejects.toMatchObject({ code: 'engine.disposed' });
});

it('gives what an inner scope keeps to the outer one, and frees after an error', async () => {
  let inner: Tensor | undefined;
  let failed: Tensor | undefined;
  await scoped(async () => {
    inner = await scoped(async () => (await twice(tensor([5]))).y);
    expect(inner.item()).toBe(10);
  });
  expect(() => inner!.data).toThrow(/scope has ended/);
  await expect(
    scoped(async () => {
      failed = (await twice(tensor([1]))).y;
      throw new Error('stop');
    }),
  ).rejects.toThrow('stop');
  expect(() => failed!.data).toThrow(/scope has ended/);
});

it('scopes that run at the same time do not mix', async () => {
  const results = await Promise.all(
    [1, 2, 3].map((value) =>
      scoped(async () => {
        const { y } = await twice(tensor([value]));
        await new Promise((resolve) => setTimeout(resolve, 5 * value));
        return (await twice(y)).y;
      }),
    ),
  );
  expect(results.map((result) => result.item())).toEqual([4, 8, 12]);
});

it('random arrays are equal for equal streams and differ for others', () => {
  const make = (name: string): number[] => [
    ...randomNormal([3, 50], random(1).split(name), { mean: 2, deviation: 0.5 }).toFloat64(),
  ];
  expect(make('a')).toEqual(make('a'));
  expect(make('a')).not.toEqual(make('b'));
  const values = make('a');
  const mean = values.reduce((total, value) => total + value, 0) / values.length;
  expect(Math.abs(mean - 2)).toBeLessThan(0.2);
  const uniform = randomUniform([1000], random(2), { low: -1, high: 3 }).toFloat64();
  expect(Math.min(...uniform)).toBeGreaterThanOrEqual(-1);
  expect(Math.max(...uniform)).toBeLessThan(3);
});
