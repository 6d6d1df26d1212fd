/**
 * Allocation, minimisation and grouping where the right answer is planted (card A0): the best attack of each category
 * gets the tries, no cell goes without its floor, and the minimiser returns exactly the tokens that matter.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { random } from '../../core/random.ts';
import { nextCells } from './allocation.ts';
import type { Cell } from './allocation.ts';
import { groupsOf } from './likeness.ts';
import { minimise } from './minimise.ts';

const chances: Readonly<Record<string, number>> = {
  'a/x': 0.6,
  'b/x': 0.1,
  'c/x': 0.05,
  'a/y': 0.02,
  'b/y': 0.02,
  'c/y': 0.3,
};

function play(rounds: number, floor: number, stream = random('play')) {
  const cells: Cell[] = Object.keys(chances).map((key) => {
    const [attack, category] = key.split('/') as [string, string];
    return { attack, category, tries: 0, successes: 0 };
  });
  for (let round = 0; round < rounds; round++) {
    for (const [index, cell] of nextCells(cells, () => 1000, 4, floor, stream.split(`round ${round}`)).entries()) {
      const isHit = stream.split(`hit ${round}`).split(index).uniform() < chances[`${cell.attack}/${cell.category}`]!;
      cell.tries++;
      if (isHit) cell.successes++;
    }
  }
  return cells;
}

describe('allocation', () => {
  it('converges on the best attack of each category and keeps the floor', () => {
    const cells = play(150, 5);
    const share = (attack: string, category: string) => {
      const of = cells.filter((cell) => cell.category === category);
      return of.find((cell) => cell.attack === attack)!.tries / of.reduce((sum, { tries }) => sum + tries, 0);
    };
    expect(share('a', 'x')).toBeGreaterThan(0.7);
    expect(share('c', 'y')).toBeGreaterThan(0.6);
    for (const { tries } of cells) expect(tries).toBeGreaterThanOrEqual(5);
    // The hard category is not starved by the easy one.
    expect(cells.filter(({ category }) => category === 'y').reduce((sum, { tries }) => sum + tries, 0)).toBe(300);
  });

  it('serves the floor before anything else, and only cells that can take more', () => {
    expect(play(2, 1).filter(({ tries }) => tries === 0)).toEqual([]);
    const cells: Cell[] = [
      { attack: 'a', category: 'x', tries: 9, successes: 9 },
      { attack: 'b', category: 'x', tries: 9, successes: 0 },
    ];
    const picked = nextCells(cells, ({ attack }) => (attack === 'b' ? 2 : 0), 8, 1, random(1));
    expect(picked.map(({ attack }) => attack)).toEqual(['b', 'b']);
  });
});

describe('the minimiser', () => {
  it('returns exactly the tokens that matter', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.nat(60), { minLength: 1, maxLength: 5 }), async (needed) => {
        const units = Array.from({ length: 61 }, (_, index) => index);
        const { units: kept, isMinimal } = await minimise(
          units,
          (part) => Promise.resolve(needed.every((each) => part.includes(each))),
          2000,
        );
        expect(kept).toEqual([...needed].sort((a, b) => a - b));
        expect(isMinimal).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  it('says so where its tests are spent, and keeps what was shown to do it', async () => {
    const units = Array.from({ length: 64 }, (_, index) => index);
    const test = (part: readonly number[]) => Promise.resolve([3, 40, 62].every((each) => part.includes(each)));
    const { units: kept, isMinimal, tests } = await minimise(units, test, 12);
    expect(tests).toBe(12);
    expect(isMinimal).toBe(false);
    expect(await test(kept)).toBe(true);
    expect(kept.length).toBeLessThan(64);
  });
});

describe('groups', () => {
  it('join what is alike, through others too, and nothing else', () => {
    expect(groupsOf(['say it to me now', 'say it to me then', 'no', 'NO!'], 0.4)).toEqual([0, 0, 1, 1]);
    // The first two have nothing in common; the third connects them.
    expect(groupsOf(['a b c d', 'e f g h', 'a b c d e f g h'], 0.4)).toEqual([0, 0, 0]);
    expect(groupsOf([], 0.5)).toEqual([]);
  });
});
