/**
 * Values of the float64 interpreter, and the few ways to walk over them: every index of a shape, an index's place in
 * row-major order with and without broadcasting, and the lines of elements that an operator along axes works on.
 * Written to be read, not to be fast.
 */
import type { DType } from '../dtype.ts';
import { elementCount, type Shape, type Spec } from '../graph.ts';
import type { Attributes, OperatorName } from '../operators/attributes.ts';

/** Numbers in row-major order. `dtype` says what they stand for; bool is 0 and 1, and nothing is rounded to it. */
export class Value implements Spec {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly values: Float64Array;

  constructor(shape: Shape, dtype: DType, values: ArrayLike<number>) {
    if (values.length !== elementCount(shape)) {
      throw new Error(`${values.length} numbers for the shape [${shape.join(', ')}]`);
    }
    this.shape = shape;
    this.dtype = dtype;
    this.values = Float64Array.from(values);
  }
}

/** The definition of one operator: the numbers of each result, in row-major order of the shapes in `results`. */
export type Rule<K extends OperatorName> = (
  inputs: readonly Value[],
  attributes: Attributes<K>,
  results: readonly Spec[],
) => readonly ArrayLike<number>[];

/** Every index of a shape in row-major order; one empty index for rank 0, none where a size is 0. */
export function indices(shape: Shape): number[][] {
  let found: number[][] = [[]];
  for (const size of shape) {
    found = found.flatMap((index) => Array.from({ length: size }, (_, i) => [...index, i]));
  }
  return found;
}

/** The place of an index in row-major order. */
export function placeOf(index: readonly number[], shape: Shape): number {
  let place = 0;
  shape.forEach((size, axis) => {
    place = place * size + index[axis]!;
  });
  return place;
}

/** The element that a longer index reads by broadcasting: axes are aligned at the end, and size 1 is read again. */
export function broadcastAt(x: Value, index: readonly number[]): number {
  const own = index.slice(index.length - x.shape.length);
  return x.values[
    placeOf(
      own.map((i, axis) => (x.shape[axis] === 1 ? 0 : i)),
      x.shape,
    )
  ]!;
}

/** Places that differ only along `axes`, one list for each index of the other axes, both in row-major order. */
export function linesAlong(shape: Shape, axes: readonly number[]): number[][] {
  const isAlong = (_: number, axis: number): boolean => axes.includes(axis);
  const isKept = (_: number, axis: number): boolean => !axes.includes(axis);
  return indices(shape.filter(isKept)).map((outer) =>
    indices(shape.filter(isAlong)).map((inner) => {
      const [o, i] = [[...outer], [...inner]];
      return placeOf(
        shape.map((_, axis) => (axes.includes(axis) ? i.shift()! : o.shift()!)),
        shape,
      );
    }),
  );
}

/** Rewrites each line along an axis by a function from its numbers to as many. */
export function mapLines(x: Value, axis: number, change: (line: number[]) => number[]): Float64Array {
  const out = new Float64Array(x.values.length);
  for (const line of linesAlong(x.shape, [axis])) {
    change(line.map((place) => x.values[place]!)).forEach((value, i) => {
      out[line[i]!] = value;
    });
  }
  return out;
}

/** The sum, from left to right. */
export const total = (numbers: readonly number[]): number => numbers.reduce((sum, x) => sum + x, 0);
