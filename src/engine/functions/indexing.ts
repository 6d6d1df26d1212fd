/**
 * Reading and adding by index. Indices are int32 or int64 and are not checked on the device: an index past the end
 * is the runtime's error on the CPU; check what comes from outside before it gets here.
 */
import type { DType } from '../dtype.ts';
import type { Tensor } from '../graph.ts';
import { emitOne } from '../operators/emit.ts';
import { cast, equal, iota } from './elementwise.ts';
import { expandDims, resolveAxis } from './movement.ts';

/** Entries of `data` along one axis: the axis is replaced by the shape of `indices`. */
export function gather(data: Tensor, indices: Tensor, axis = 0): Tensor {
  return emitOne('gather', [data, indices], { axis: resolveAxis('gather', axis, data.rank) });
}

/** Rows of a table [vocabulary, width] for token ids of any shape: [..., width]. */
export const embedding = (table: Tensor, ids: Tensor): Tensor => gather(table, ids, 0);

/** data [rows, ...] with updates [n, ...] added at rows `indices` [n]; equal indices add up. */
export const scatterAddRows = (data: Tensor, indices: Tensor, updates: Tensor): Tensor =>
  emitOne('scatterAddRows', [data, indices, updates], {});

/** One entry of `data` along an axis for each entry of `indices`, which has as many axes (torch.gather). */
export function takeAlongAxis(data: Tensor, indices: Tensor, axis: number): Tensor {
  return emitOne('takeAlongAxis', [data, indices], { axis: resolveAxis('takeAlongAxis', axis, data.rank) });
}

/** The inverse of {@link takeAlongAxis}: adds `updates` where it would have read. */
export function scatterAddAlongAxis(data: Tensor, indices: Tensor, updates: Tensor, axis: number): Tensor {
  return emitOne('scatterAddAlongAxis', [data, indices, updates], {
    axis: resolveAxis('scatterAddAlongAxis', axis, data.rank),
  });
}

/** 1 at the index, 0 elsewhere, along a new last axis; nothing for an index outside 0 to classes - 1. */
export function oneHot(indices: Tensor, classes: number, dtype: DType = 'float32'): Tensor {
  const wide = expandDims(cast(indices, 'int32'), -1);
  return cast(equal(wide, iota(classes, 'int32')), dtype);
}
