import fc from 'fast-check';
import { expect, it } from 'vitest';
import { planBatches, powerOfTwo } from './buckets.ts';

it('places every text once, in a row that holds it, within the context', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 200 }), (lengths) => {
      const batches = planBatches(lengths, 300);
      const placed = batches.flatMap(({ members }) => [...members]).sort((a, b) => a - b);
      expect(placed).toEqual(lengths.map((_, i) => i));
      for (const { members, rows, time } of batches) {
        expect(members.length).toBeLessThanOrEqual(rows);
        expect(time).toBeLessThanOrEqual(300);
        for (const member of members) expect(lengths[member]).toBeLessThanOrEqual(time);
      }
    }),
  );
});

it('pads rows by less than a factor of two', () => {
  for (const count of [1, 2, 3, 5, 8, 17, 31]) {
    const batches = planBatches(
      Array.from({ length: count }, () => 100),
      1024,
    );
    expect(batches.reduce((total, { rows }) => total + rows, 0)).toBeLessThan(2 * count);
  }
});

it('makes few shapes for many lengths, and none much longer than its texts', () => {
  const lengths = Array.from({ length: 1000 }, (_, i) => 1 + ((i * 7919) % 512));
  const shapes = new Set(planBatches(lengths, 1024).map(({ rows, time }) => `${rows} x ${time}`));
  expect(shapes.size).toBeLessThanOrEqual(7);
  const [short] = planBatches([5, 900], 1024);
  expect(short!.time).toBe(16);
  expect(powerOfTwo(17, 16)).toBe(32);
});
