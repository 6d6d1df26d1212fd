/** The figures of a campaign: what worked where, and what it cost. */
import type { Figure, Point } from '../../../core/figures.ts';
import { wilson } from '../../../core/statistics/proportion.ts';
import type { Cell } from '../../../kit/attack/index.ts';

/** Success by attack and category. */
export function cellMatrix(cells: readonly Cell[]): Figure {
  const rows = [...new Set(cells.map(({ attack }) => attack))];
  const columns = [...new Set(cells.map(({ category }) => category))];
  const of = (attack: string, category: string): Cell =>
    cells.find((cell) => cell.attack === attack && cell.category === category)!;
  return {
    kind: 'matrix',
    title: 'Attack success by attack and category',
    caption:
      'Share of pulls that got through, by attack and category; empty where the budget allowed no pull. Pulls are not spread evenly: the best attacks got most.',
    rows,
    columns,
    values: rows.map((attack) =>
      columns.map((category) =>
        of(attack, category).tries === 0 ? null : of(attack, category).successes / of(attack, category).tries,
      ),
    ),
    unit: 'share',
    colours: 'sequential',
  };
}

/** What the cost of a campaign is read from. */
export interface PullCost {
  readonly attack: string;
  readonly row: { readonly id: string };
  readonly queries: number;
  readonly status: 'breach' | 'safe' | 'undetermined';
}

/** Requests that had fallen by so many queries of the whole campaign, in the order of its batches. */
export function campaignCost(pulls: readonly PullCost[], requests: number): Figure {
  let queries = 0;
  const fallen = new Set<string>();
  const points = pulls.map((each): Point => {
    queries += each.queries;
    if (each.status === 'breach') fallen.add(each.row.id);
    const { value, low, high } = wilson(fallen.size, requests);
    return { x: queries, y: value, low, high, label: `${each.attack} on ${each.row.id}` };
  });
  return {
    kind: 'plot',
    title: 'Attack cost',
    caption: 'Share of all requests that had got through after so many queries of the campaign.',
    x: { label: 'queries to the target', scale: 'linear' },
    y: { label: 'requests that got through', scale: 'linear', range: [0, 1] },
    series: [{ name: 'campaign', mark: 'step', points }],
  };
}
