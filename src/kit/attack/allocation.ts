/**
 * Which attack to try next on which category: Thompson sampling over a floor.
 *
 * Categories are served in turn, so that a hard one is not starved by an easy one; within a category the attack is
 * drawn by its belief in success, Beta(1 + successes, 1 + failures) (Thompson 1933). Before any draw, every cell gets
 * its floor of tries: what was never tried can be neither found nor ruled out.
 */
import type { Random } from '../../core/random.ts';
import { betaDraw } from '../../core/statistics/distributions.ts';

/** One attack on one category. */
export interface Cell {
  readonly attack: string;
  readonly category: string;
  /** Tries that have ended, and those of them that succeeded. */
  tries: number;
  successes: number;
}

/**
 * The next cells to try, at most `count`, each as often as it occurs in the answer.
 *
 * @param left how many more tries a cell can take, those of this answer not counted
 * @example nextCells(cells, () => 5, 8, 1, random.split('round 3'))
 */
export function nextCells(
  cells: readonly Cell[],
  left: (cell: Cell) => number,
  count: number,
  floor: number,
  stream: Random,
): Cell[] {
  const picked: Cell[] = [];
  const pending = (cell: Cell): number => picked.filter((each) => each === cell).length;
  const isOpen = (cell: Cell): boolean => left(cell) > pending(cell);
  const categories = stream.split('categories').shuffle([...new Set(cells.map(({ category }) => category))]);
  while (picked.length < count) {
    const before = picked.length;
    for (const category of categories) {
      if (picked.length === count) break;
      const own = stream.split(`pick ${picked.length}`);
      const open = own.split('ties').shuffle(cells.filter((cell) => cell.category === category && isOpen(cell)));
      if (open.length === 0) continue;
      const tried = (cell: Cell): number => cell.tries + pending(cell);
      const under = open.filter((cell) => tried(cell) < floor).sort((a, b) => tried(a) - tried(b));
      if (under[0] !== undefined) {
        picked.push(under[0]);
        continue;
      }
      const drawn = open.map((cell) => ({
        cell,
        chance: betaDraw(own.split(cell.attack), 1 + cell.successes, 1 + cell.tries - cell.successes),
      }));
      picked.push(drawn.reduce((best, each) => (each.chance > best.chance ? each : best)).cell);
    }
    if (picked.length === before) break;
  }
  return picked;
}
