/** Reductions, cumulative sums, sorting. Without `axes` a reduction is over all of them. */
import { type Tensor } from '../graph.ts';
import { emit, emitOne } from '../operators/emit.ts';
import { mismatch } from '../operators/shapes.ts';
import { cast, div, fill, neg, sqrt, square, sub, uniformValue } from './elementwise.ts';
import { reshape, resolveAxis } from './movement.ts';

export interface ReductionOptions {
  /** Axes to reduce over; one, several, or all when absent. */
  readonly axes?: number | readonly number[];
  /** Keep the reduced axes with size 1. */
  readonly keepDims?: boolean;
}

function resolve(operator: string, x: Tensor, options: ReductionOptions): { axes: number[]; keepDims: boolean } {
  const axes = options.axes === undefined ? x.shape.map((_, i) => i) : [options.axes].flat();
  const resolved = axes.map((axis) => resolveAxis(operator, axis, x.rank)).sort((a, b) => a - b);
  return { axes: [...new Set(resolved)], keepDims: options.keepDims ?? false };
}

const reduction =
  (operator: 'sum' | 'mean' | 'max' | 'min' | 'prod' | 'logSumExp') =>
  (x: Tensor, options: ReductionOptions = {}): Tensor => {
    const attributes = resolve(operator, x, options);
    if (attributes.axes.length === 0 && operator !== 'logSumExp') return x;
    const value = uniformValue(x);
    if (value !== undefined && operator === 'sum' && x.dtype === 'float32') {
      const count = attributes.axes.reduce((product, axis) => product * x.shape[axis]!, 1);
      const shape = x.shape.map((size, axis) => (attributes.axes.includes(axis) ? 1 : size));
      const kept = attributes.keepDims ? shape : x.shape.filter((_, axis) => !attributes.axes.includes(axis));
      return fill(kept, value * count);
    }
    return emitOne(operator, [x], attributes);
  };

export const sum = reduction('sum');
export const mean = reduction('mean');
/** The largest value; where several are equal the derivative is shared equally. */
export const max = reduction('max');
export const min = reduction('min');
export const prod = reduction('prod');
/** log of the sum of exponentials, without overflow. */
export const logSumExp = reduction('logSumExp');

/** Sum of squared deviations over the count (or count - 1 with `correction: 1`). */
export function variance(x: Tensor, options: ReductionOptions & { readonly correction?: number } = {}): Tensor {
  const { axes, keepDims } = resolve('variance', x, options);
  const count = axes.reduce((product, axis) => product * x.shape[axis]!, 1);
  const centred = sub(x, mean(x, { axes, keepDims: true }));
  return div(sum(square(centred), { axes, keepDims }), count - (options.correction ?? 0));
}

/** Euclidean norm over `axes`; its derivative at 0 is not defined. */
export const norm = (x: Tensor, options: ReductionOptions = {}): Tensor => sqrt(sum(square(x), options));

/** int64 position of the largest value along an axis, the first where several are equal. */
export const argMax = (x: Tensor, axis = -1, keepDims = false): Tensor =>
  emitOne('argMax', [x], { axis: resolveAxis('argMax', axis, x.rank), keepDims });
export const argMin = (x: Tensor, axis = -1, keepDims = false): Tensor => argMax(neg(x), axis, keepDims);

/** Running sum along an axis; exclusive leaves out the element itself, reverse runs from the end. */
export function cumulativeSum(
  x: Tensor,
  axis = -1,
  options: { readonly exclusive?: boolean; readonly reverse?: boolean } = {},
): Tensor {
  const attributes = {
    axis: resolveAxis('cumulativeSum', axis, x.rank),
    exclusive: options.exclusive ?? false,
    reverse: options.reverse ?? false,
  };
  return emitOne('cumulativeSum', [x], attributes);
}

/** The k largest (or smallest) along an axis, in order, with their int64 positions. */
export function topK(
  x: Tensor,
  k: number,
  axis = -1,
  options: { readonly largest?: boolean } = {},
): { values: Tensor; indices: Tensor } {
  const node = emit('topK', [x], { k, axis: resolveAxis('topK', axis, x.rank), largest: options.largest ?? true });
  return { values: node.outputs[0]!, indices: node.outputs[1]! };
}

/** All values along an axis in ascending (or descending) order, with the int64 positions they had. */
export function sort(
  x: Tensor,
  axis = -1,
  options: { readonly descending?: boolean } = {},
): { values: Tensor; indices: Tensor } {
  const at = resolveAxis('sort', axis, x.rank);
  return topK(x, x.shape[at]!, at, { largest: options.descending ?? false });
}

/** Whether any element holds, over `axes`. */
export const any = (x: Tensor, options: ReductionOptions = {}): Tensor => cast(max(cast(x, 'int32'), options), 'bool');
export const all = (x: Tensor, options: ReductionOptions = {}): Tensor => cast(min(cast(x, 'int32'), options), 'bool');

export const softmax = (x: Tensor, axis = -1): Tensor =>
  emitOne('softmax', [x], { axis: resolveAxis('softmax', axis, x.rank) });
export const logSoftmax = (x: Tensor, axis = -1): Tensor =>
  emitOne('logSoftmax', [x], { axis: resolveAxis('logSoftmax', axis, x.rank) });

/**
 * Cross-entropy in nats of integer targets under logits, an element for each row.
 *
 * @param logits [..., classes]
 * @param targets int32 or int64 [...]; each from 0 to classes - 1
 * @returns [...] and, beside it, the log-probabilities [..., classes] that were computed on the way
 */
export function crossEntropy(logits: Tensor, targets: Tensor): { loss: Tensor; logProbabilities: Tensor } {
  const classes = logits.shape.at(-1);
  if (classes === undefined) throw mismatch('crossEntropy', [logits, targets], 'logits have no axis of classes');
  const node = emit('crossEntropy', [reshape(logits, [-1, classes]), reshape(targets, [-1])], {});
  return { loss: reshape(node.outputs[0]!, targets.shape), logProbabilities: reshape(node.outputs[1]!, logits.shape) };
}

/** Sums `x` down to `shape`, which must broadcast to x's: what a derivative does where a value was broadcast. */
export function sumTo(x: Tensor, shape: readonly number[]): Tensor {
  const extra = x.rank - shape.length;
  const axes: number[] = [];
  x.shape.forEach((size, axis) => {
    if (axis < extra || (shape[axis - extra] === 1 && size !== 1)) axes.push(axis);
  });
  return axes.length === 0 ? reshape(x, shape) : reshape(sum(x, { axes }), shape);
}
