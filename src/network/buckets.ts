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

/**
 * Groups texts by length. All batches of one time have one number of rows, except a last one of few texts.
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
  for (const [time, group] of byTime) {
    const full = Math.max(1, Math.min(LARGEST_BATCH, powerOfTwo(Math.floor(BATCH_TOKENS / time) + 1, 1) / 2));
    for (let at = 0; at < group.length; at += full) {
      const members = group.slice(at, at + full);
      // Few texts get few rows: two sizes a time, so that one prompt does not pay for thirty-two.
      const rows = members.length <= Math.max(1, full / 8) ? Math.max(1, full / 8) : full;
      batches.push({ members, rows, time });
    }
  }
  return batches;
}
