/** Ranks with ties at their mean, and what ties do to variances: the common ground of rank tests and correlations. */

export interface Ranks {
  /** 1 for the smallest; equal values share the mean of their places. */
  readonly ranks: Float64Array;
  /** Sizes of the groups of equal values that have more than one member. */
  readonly ties: readonly number[];
}

/**
 * @example rank([10, 20, 10]).ranks // [1.5, 3, 1.5]
 */
export function rank(values: ArrayLike<number>): Ranks {
  const order = Array.from(values, (_, i) => i).sort((a, b) => values[a]! - values[b]!);
  const ranks = new Float64Array(values.length);
  const ties: number[] = [];
  for (let i = 0; i < order.length;) {
    let end = i + 1;
    while (end < order.length && values[order[end]!] === values[order[i]!]) end++;
    for (let j = i; j < end; j++) ranks[order[j]!] = (i + 1 + end) / 2;
    if (end - i > 1) ties.push(end - i);
    i = end;
  }
  return { ranks, ties };
}
