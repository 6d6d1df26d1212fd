/** Seeded random arrays: the same stream gives the same numbers on every platform (core/random.ts). */
import type { Random } from '../core/random.ts';
import { elementCount, fromData, type Shape, type Tensor } from './graph.ts';

/**
 * Independent normal numbers as a concrete float32 array.
 * @example const weights = randomNormal([64, 64], random('run').split('weights'), { deviation: 0.02 });
 */
export function randomNormal(
  shape: Shape,
  stream: Random,
  options: { readonly mean?: number; readonly deviation?: number } = {},
): Tensor {
  const data = new Float32Array(elementCount(shape));
  stream.fillNormal(data, options.mean ?? 0, options.deviation ?? 1);
  return fromData(data, shape, 'float32');
}

/** Independent numbers between low (0) and high (1) as a concrete float32 array. */
export function randomUniform(
  shape: Shape,
  stream: Random,
  options: { readonly low?: number; readonly high?: number } = {},
): Tensor {
  const data = new Float32Array(elementCount(shape));
  stream.fillUniform(data, options.low ?? 0, options.high ?? 1);
  return fromData(data, shape, 'float32');
}
