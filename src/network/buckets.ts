/**
 * Shapes are rounded up to a few sizes, so that a thousand texts of different lengths need a handful of sessions:
 * a session takes longer to make than most passes take to run.
 */

/** The smallest power of two, at least `least`, that holds `size`. */
export function powerOfTwo(size: number, least: number): number {
  let bucket = least;
  while (bucket < size) bucket *= 2;
  return bucket;
}

/** Tokens in one batch at most, padding included: bounds memory whatever the number of texts. */
const BATCH_TOKENS = 4096;
const LARGEST_BATCH = 32;
const SHORTEST_TIME = 16;

export interface Batch {
  /** Indices of the texts, one a row; rows past them are padding. */
  readonly members: readonly number[];
  readonly rows: number;
  readonly time: number;
}

/** A text moves up to a longer time for company only while it grows by at most this factor. */
const LARGEST_STRETCH = 4;

/**
 * Groups texts by length. Batches are full, except one of the longest; texts that do not fill a batch of their own
 * length join the next longer ones, so that a call with many lengths makes few shapes.
 * @param lengths tokens of each text
 * @param longest no time goes past this
 */
export function planBatches(lengths: readonly number[], longest: number): Batch[] {
  const order = lengths.map((_, i) => i).sort((a, b) => lengths[a]! - lengths[b]! || a - b);
  const byTime = new Map<number, number[]>();
  for (const index of order) {
    const time = Math.min(longest, powerOfTwo(Math.max(1, lengths[index]!), Math.min(SHORTEST_TIME, longest)));
    const group = byTime.get(time);
    if (group === undefined) byTime.set(time, [index]);
    else group.push(index);
  }
  const batches: Batch[] = [];
  const times = [...byTime.keys()].sort((a, b) => a - b);
  let waiting: number[] = [];
  times.forEach((time, i) => {
    const group = [...waiting, ...byTime.get(time)!];
    waiting = [];
    const full = Math.max(1, Math.min(LARGEST_BATCH, powerOfTwo(Math.floor(BATCH_TOKENS / time) + 1, 1) / 2));
    const next = times[i + 1];
    for (let at = 0; at < group.length; at += full) {
      const members = group.slice(at, at + full);
      const isFull = members.length === full;
      if (!isFull && next !== undefined && next <= LARGEST_STRETCH * time) waiting = members;
      else batches.push({ members, rows: isFull ? full : powerOfTwo(members.length, 1), time });
    }
  });
  return batches;
}
