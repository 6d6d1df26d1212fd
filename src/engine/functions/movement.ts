/** Functions that move values without computing: shapes, slices, joins. Negative axes count from the end. */
import { FiducialError } from '../../core/errors.ts';
import { elementCount, sameShape, type Shape, type Tensor } from '../graph.ts';
import { emit, emitOne } from '../operators/emit.ts';
import { mismatch } from '../operators/shapes.ts';
import { fill, uniformValue } from './elementwise.ts';

/** The axis counted from the front, or an error that names the operator. */
export function resolveAxis(operator: string, axis: number, rank: number): number {
  const resolved = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(resolved) || resolved < 0 || resolved >= rank) {
    throw new FiducialError(
      'engine.shape',
      `${operator}: axis ${axis} of a tensor with ${rank} axes`,
      `Use an axis from ${-rank} to ${rank - 1}.`,
    );
  }
  return resolved;
}

/** Another shape for the same elements in the same order. One size may be -1 and is worked out. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  let resolved = [...shape];
  const open = resolved.indexOf(-1);
  if (open >= 0) {
    const rest = elementCount(resolved.filter((size) => size !== -1));
    resolved[open] = rest === 0 ? 0 : elementCount(x.shape) / rest;
    if (!Number.isInteger(resolved[open])) {
      throw mismatch(
        'reshape',
        [x],
        `it does not fill [${shape.join(', ')}]`,
        'Old and new shape must have as many elements.',
      );
    }
  }
  if (sameShape(resolved, x.shape)) return x;
  const value = uniformValue(x);
  if (value !== undefined && elementCount(resolved) === x.size) return fill(resolved, value, x.dtype);
  const source = x.node?.operator === 'reshape' ? x.node.inputs[0]! : x;
  return sameShape(resolved, source.shape) ? source : emitOne('reshape', [source], { shape: resolved });
}

/** Axes in another order; reversed by default. */
export function transpose(x: Tensor, permutation?: readonly number[]): Tensor {
  const order = (permutation ?? x.shape.map((_, i) => x.rank - 1 - i)).map((axis) =>
    resolveAxis('transpose', axis, x.rank),
  );
  if (order.length !== x.rank || new Set(order).size !== x.rank) {
    throw new FiducialError(
      'engine.shape',
      `transpose: [${order.join(', ')}] is no order of the axes of ${x.toString()}`,
      'Name each axis once.',
    );
  }
  return order.every((axis, i) => axis === i) ? x : emitOne('transpose', [x], { permutation: order });
}

/** The last two axes exchanged. */
export function swapLastAxes(x: Tensor): Tensor {
  const order = x.shape.map((_, i) => i);
  [order[x.rank - 2], order[x.rank - 1]] = [x.rank - 1, x.rank - 2];
  return transpose(x, order);
}

export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const value = uniformValue(x);
  return value === undefined ? emitOne('broadcast', [x], { shape: [...shape] }) : fill(shape, value, x.dtype);
}

/** Adds axes of size 1 so that they stand at these positions of the result. */
export function expandDims(x: Tensor, axis: number): Tensor {
  const at = resolveAxis('expandDims', axis, x.rank + 1);
  return reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)]);
}

/** Drops one axis of size 1. */
export function squeeze(x: Tensor, axis: number): Tensor {
  const at = resolveAxis('squeeze', axis, x.rank);
  if (x.shape[at] !== 1)
    throw mismatch('squeeze', [x], `axis ${axis} has size ${x.shape[at]}`, 'Only an axis of size 1 can go.');
  return reshape(x, x.shape.toSpliced(at, 1));
}

/** Joins tensors along an axis. */
export function concat(tensors: readonly Tensor[], axis = 0): Tensor {
  const [first] = tensors;
  if (first === undefined) throw new FiducialError('engine.shape', 'concat: no tensors', 'Pass one or more.');
  return tensors.length === 1 ? first : emitOne('concat', tensors, { axis: resolveAxis('concat', axis, first.rank) });
}

/** Joins tensors along a new axis. */
export const stack = (tensors: readonly Tensor[], axis = 0): Tensor =>
  concat(
    tensors.map((x) => expandDims(x, axis)),
    axis,
  );

/**
 * Elements from `starts` up to `ends` along each of `axes`, every `steps`-th. Negative bounds count from the end,
 * bounds past it are cut off.
 *
 * @example slice(x, { axes: [1], starts: [-1], ends: [x.shape[1]] }) // the last column, still with two axes
 */
export function slice(
  x: Tensor,
  options: {
    readonly axes?: readonly number[];
    readonly starts: readonly number[];
    readonly ends: readonly number[];
    readonly steps?: readonly number[];
  },
): Tensor {
  const axes = (options.axes ?? options.starts.map((_, i) => i)).map((axis) => resolveAxis('slice', axis, x.rank));
  const starts = x.shape.map(() => 0);
  const ends = [...x.shape];
  const steps = x.shape.map(() => 1);
  axes.forEach((axis, i) => {
    const size = x.shape[axis]!;
    const bound = (value: number): number => Math.min(size, Math.max(0, value < 0 ? value + size : value));
    starts[axis] = bound(options.starts[i]!);
    ends[axis] = Math.max(starts[axis], bound(options.ends[i]!));
    const step = options.steps?.[i] ?? 1;
    if (!Number.isInteger(step) || step < 1)
      throw new FiducialError('engine.shape', `slice: step ${step}`, 'Steps are 1 or more.');
    steps[axis] = step;
  });
  if (sameShape(ends, x.shape) && starts.every((start) => start === 0) && steps.every((step) => step === 1)) return x;
  return emitOne('slice', [x], { starts, ends, steps });
}

/** One range along one axis. */
export const narrow = (x: Tensor, axis: number, start: number, end: number): Tensor =>
  slice(x, { axes: [axis], starts: [start], ends: [end] });

/** Cuts an axis into parts of the given sizes, or into `parts` equal ones. */
export function split(x: Tensor, parts: number | readonly number[], axis = 0): Tensor[] {
  const at = resolveAxis('split', axis, x.rank);
  const size = x.shape[at]!;
  const sizes = typeof parts === 'number' ? Array.from({ length: parts }, () => size / parts) : parts;
  if (
    sizes.reduce((sum, part) => sum + part, 0) !== size ||
    sizes.some((part) => !Number.isInteger(part) || part < 0)
  ) {
    throw mismatch(
      'split',
      [x],
      `axis ${axis} does not split into [${sizes.join(', ')}]`,
      'The sizes must add up to the axis.',
    );
  }
  if (sizes.length === 1) return [x];
  return [...emit('split', [x], { axis: at, sizes }).outputs];
}

/** Adds `value` around: [before, after] for each axis. */
export function pad(x: Tensor, widths: readonly (readonly [number, number])[], value = 0): Tensor {
  if (widths.length !== x.rank || widths.flat().some((width) => !Number.isInteger(width) || width < 0)) {
    throw mismatch(
      'pad',
      [x],
      `widths ${JSON.stringify(widths)}`,
      'Give [before, after], not negative, for each axis.',
    );
  }
  if (widths.every(([before, after]) => before === 0 && after === 0)) return x;
  return emitOne('pad', [x], {
    before: widths.map(([before]) => before),
    after: widths.map(([, after]) => after),
    value,
  });
}
