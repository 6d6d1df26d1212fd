/**
 * Isotonic regression: the non-decreasing fit nearest in weighted squares, by pooling adjacent violators.
 * Source: Ayer et al. (1955). Serves to calibrate scores into probabilities.
 */
import { requirePositive, requireSameLength, requireSample } from './checks.ts';

/**
 * The fit at each of `values`, which are ordered by what they should rise with. Weights are 1 unless given.
 *
 * @example isotonic([1, 3, 2, 4]) // [1, 2.5, 2.5, 4]
 */
export function isotonic(values: ArrayLike<number>, weights?: ArrayLike<number>): Float64Array {
  requireSample('values', values);
  if (weights !== undefined) {
    requireSameLength(['values', 'weights'], values, weights);
    for (let i = 0; i < weights.length; i++) requirePositive(`weights[${i}]`, weights[i]!);
  }
  const blocks: { mean: number; weight: number; size: number }[] = [];
  for (let i = 0; i < values.length; i++) {
    let block = { mean: values[i]!, weight: weights?.[i] ?? 1, size: 1 };
    for (let last = blocks.at(-1); last !== undefined && last.mean >= block.mean; last = blocks.at(-1)) {
      const weight = last.weight + block.weight;
      const mean = (last.mean * last.weight + block.mean * block.weight) / weight;
      block = { mean, weight, size: last.size + block.size };
      blocks.pop();
    }
    blocks.push(block);
  }
  return Float64Array.from(blocks.flatMap(({ mean, size }) => Array.from({ length: size }, () => mean)));
}
