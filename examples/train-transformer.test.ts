import { expect, it } from 'vitest';
import { train } from './train-transformer.ts';

it('learns the clock: the loss falls far below what single letters cost, and never below the floor', async () => {
  const lines: string[] = [];
  const { losses, floor } = await train({ width: 32, layers: 2, steps: 120, batch: 8, time: 64 }, (line) =>
    lines.push(line),
  );
  expect(losses[0]).toBeGreaterThan(4.5); // ln 128 = 4.85: nothing is known yet
  expect(losses.at(-1)).toBeLessThan(1);
  expect(Math.min(...losses)).toBeGreaterThan(floor * 0.9);
  expect(lines.join('\n')).toMatch(/GFLOP\/s/);
});

it('gives the same losses for the same seed', async () => {
  const run = async (): Promise<readonly number[]> =>
    (await train({ width: 32, layers: 1, steps: 8, batch: 4, time: 32 }, () => undefined)).losses;
  expect(await run()).toEqual(await run());
});
