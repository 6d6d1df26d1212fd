/**
 * Activations whose features are known: sums of a few random directions, more of them than dimensions. The test bed of
 * sparse dictionaries, and how close a dictionary's directions come to the planted ones.
 */
import { studentCritical } from '../../core/statistics/index.ts';
import type { Random } from '../../core/random.ts';

export interface PlantedFeatures {
  readonly count: number;
  readonly width: number;
  /** Unit rows [count, width]. */
  readonly directions: Float32Array;
  /** Rows [rows, width]: each the sum of `active` different directions with coefficients between 0.5 and 1.5. */
  sample(random: Random, rows: number): Float32Array;
}

/** @example plantedFeatures({ count: 40, width: 20, active: 3 }, random('bed')).sample(random('batch 1'), 256) */
export function plantedFeatures(
  { count, width, active }: { readonly count: number; readonly width: number; readonly active: number },
  random: Random,
): PlantedFeatures {
  const directions = unitRows(random.split('directions').fillNormal(new Float32Array(count * width)), width);
  const every = Array.from({ length: count }, (_, i) => i);
  return {
    count,
    width,
    directions,
    sample(stream, rows) {
      const out = new Float32Array(rows * width);
      for (let row = 0; row < rows; row++) {
        for (const feature of stream.sample(every, active)) {
          const size = 0.5 + stream.uniform();
          for (let j = 0; j < width; j++) out[row * width + j]! += size * directions[feature * width + j]!;
        }
      }
      return out;
    },
  };
}

/** Rows divided by their length, in place. */
export function unitRows(rows: Float32Array, width: number): Float32Array {
  for (let at = 0; at < rows.length; at += width) {
    const row = rows.subarray(at, at + width);
    const length = Math.hypot(...row);
    if (length > 0) for (let j = 0; j < width; j++) row[j]! /= length;
  }
  return rows;
}

export interface Recovery {
  /** Mean over the wanted directions of the largest cosine with any row, with its Student interval. */
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly n: number;
  /** The largest cosine of each wanted direction, and the row that has it. */
  readonly best: readonly { readonly cosine: number; readonly row: number }[];
}

/**
 * Mean max cosine: how well each wanted direction is met by one of the rows.
 *
 * @param wanted [n, width]
 * @param rows [m, width]; of any length
 */
export function meanMaxCosine(wanted: Float32Array, rows: Float32Array, width: number): Recovery {
  const targets = unitRows(wanted.slice(), width);
  const found = unitRows(rows.slice(), width);
  const best: { cosine: number; row: number }[] = [];
  for (let at = 0; at < targets.length; at += width) {
    let top = { cosine: -1, row: 0 };
    for (let other = 0; other < found.length; other += width) {
      let cosine = 0;
      for (let j = 0; j < width; j++) cosine += targets[at + j]! * found[other + j]!;
      if (cosine > top.cosine) top = { cosine, row: other / width };
    }
    best.push(top);
  }
  const n = best.length;
  const value = best.reduce((sum, { cosine }) => sum + cosine, 0) / n;
  const variance = best.reduce((sum, { cosine }) => sum + (cosine - value) ** 2, 0) / Math.max(1, n - 1);
  const margin = n < 2 ? 1 : studentCritical(0.95, n - 1) * Math.sqrt(variance / n);
  return { value, low: Math.max(-1, value - margin), high: Math.min(1, value + margin), n, best };
}
