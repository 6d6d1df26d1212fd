/** Values: `Rscript src/core/statistics/reference.R`, section "ratings" (glm, binomial; errors about the mean). */
import { expect, it } from 'vitest';
import { random } from '../random.ts';
import { bradleyTerry, updateElo } from './ratings.ts';
import type { Comparison } from './ratings.ts';

const meeting = (first: string, second: string, won: number, lost: number): Comparison[] => [
  { first, second, score: 1, weight: won },
  { first, second, score: 0, weight: lost },
];
const games = [
  ...meeting('a', 'b', 6, 2),
  ...meeting('a', 'c', 4, 3),
  ...meeting('b', 'c', 3, 4),
  ...meeting('c', 'd', 5, 1),
  ...meeting('d', 'a', 2, 4),
  ...meeting('a', 'd', 5, 2.5),
  ...meeting('d', 'b', 1, 3),
];

it('agrees with R', () => {
  const ratings = bradleyTerry(games);
  expect(ratings.map(({ player }) => player)).toEqual(['a', 'c', 'b', 'd']);
  const expected = [0.45421197189906171, 0.33891044629742556, -0.1446768031852621, -0.64844561501122511];
  const errors = [0.30531176189150971, 0.35138859358966545, 0.35925708115547816, 0.35537426127970728];
  ratings.forEach((rating, i) => {
    expect(rating.value).toBeCloseTo(expected[i]!, 9);
    expect(rating.standardError).toBeCloseTo(errors[i]!, 9);
  });
  const elo = bradleyTerry(games, { scale: 'elo' });
  expect(elo[0]!.value).toBeCloseTo(1500 + (expected[0]! * 400) / Math.log(10), 6);
  const drawn = bradleyTerry([{ first: 'a', second: 'b', score: 0.5, weight: 4 }]);
  expect(drawn.map(({ value }) => value)).toEqual([0, 0]);
});

it('refuses players that no chain of wins connects, and rates them under a stated prior', () => {
  const unbeaten: Comparison[] = [...games, { first: 'e', second: 'a', score: 1 }];
  expect(() => bradleyTerry(unbeaten)).toThrowError(
    expect.objectContaining({ code: 'statistics.disconnected', message: expect.stringContaining('["e"]') as string }),
  );
  const apart = [...meeting('a', 'b', 1, 1), ...meeting('x', 'y', 1, 1)];
  expect(() => bradleyTerry(apart)).toThrowError(/no finite ratings/);
  const held = bradleyTerry(unbeaten, { priorDeviation: 1.5 });
  expect(held[0]!.player).toBe('e');
  expect(held.every(({ low, high }) => Number.isFinite(low) && Number.isFinite(high))).toBe(true);
  expect(held[0]!.standardError).toBeGreaterThan(held.find(({ player }) => player === 'a')!.standardError);
  // A wide prior changes a well-determined fit little.
  const wide = bradleyTerry(games, { priorDeviation: 100 });
  expect(wide[0]!.value).toBeCloseTo(0.454212, 3);
  expect(wide[0]!.standardError).toBeCloseTo(0.3053, 3);
});

it('recovers planted strengths within its intervals', () => {
  const stream = random('league');
  const planted = [1.2, 0.4, 0, -0.6, -1];
  let covered = 0;
  for (let run = 0; run < 60; run++) {
    const played: Comparison[] = [];
    for (let i = 0; i < 5; i++) {
      for (let j = 0; j < i; j++) {
        for (let k = 0; k < 30; k++) {
          const p = 1 / (1 + Math.exp(planted[j]! - planted[i]!));
          played.push({ first: String(i), second: String(j), score: stream.uniform() < p ? 1 : 0 });
        }
      }
    }
    for (const { player, low, high } of bradleyTerry(played)) {
      if (low <= planted[Number(player)]! && planted[Number(player)]! <= high) covered += 1 / 300;
    }
  }
  expect(covered).toBeGreaterThan(0.91);
  expect(covered).toBeLessThan(0.99);
});

it("updates by Elo's rule and refuses nonsense", () => {
  expect(updateElo(1500, 1500, 1, 32)).toEqual([1516, 1484]);
  const [first, second] = updateElo(1900, 1500, 0.5);
  expect(first + second).toBeCloseTo(3400, 9);
  expect(first).toBeCloseTo(1900 + 32 * (0.5 - 10 / 11), 9);
  expect(() => bradleyTerry([{ first: 'a', second: 'a', score: 1 }])).toThrowError(/itself/);
  expect(() => bradleyTerry([{ first: 'a', second: 'b', score: 2 }])).toThrowError(/score is 2/);
  expect(() => bradleyTerry([])).toThrowError(/number of comparisons is 0/);
});
