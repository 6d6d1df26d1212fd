/** Float64 definitions of movement, indexing, rotary positions and the operators that steer derivatives. */
import { FiducialError } from '../../core/errors.ts';
import type { Spec } from '../graph.ts';
import type { OperatorName } from '../operators/attributes.ts';
import { broadcastAt, indices, placeOf, type Rule, type Value } from './value.ts';

/** The numbers of a result, each read from `x` at an index worked out from its own. */
const readAt = (x: Value, result: Spec, from: (index: number[]) => number[]): number[] =>
  indices(result.shape).map((index) => x.values[placeOf(from(index), x.shape)]!);

/** An entry of an index tensor; negative ones count from the end. */
function checkedIndex(value: number, size: number): number {
  const index = value < 0 ? value + size : value;
  if (Number.isInteger(index) && index >= 0 && index < size) return index;
  throw new FiducialError('engine.index', `index ${value} into an axis of ${size}`, 'Check the indices.');
}

const replaced = (index: readonly number[], axis: number, value: number): number[] => index.with(axis, value);

export const movement = {
  reshape: ([x]) => [x!.values],
  transpose: ([x], { permutation }, [result]) => [
    readAt(x!, result!, (index) => permutation.map((_, axis) => index[permutation.indexOf(axis)]!)),
  ],
  broadcast: ([x], _, [result]) => [indices(result!.shape).map((index) => broadcastAt(x!, index))],
  concat: (inputs, { axis }, [result]) => [
    indices(result!.shape).map((index) => {
      let at = index[axis]!;
      let part = 0;
      while (at >= inputs[part]!.shape[axis]!) at -= inputs[part++]!.shape[axis]!;
      return inputs[part]!.values[placeOf(replaced(index, axis, at), inputs[part]!.shape)]!;
    }),
  ],
  slice: ([x], { starts, steps }, [result]) => [
    readAt(x!, result!, (index) => index.map((i, axis) => starts[axis]! + i * steps[axis]!)),
  ],
  split: ([x], { axis, sizes }, results) =>
    results.map((result, part) => {
      const start = sizes.slice(0, part).reduce((sum, size) => sum + size, 0);
      return readAt(x!, result, (index) => replaced(index, axis, start + index[axis]!));
    }),
  pad: ([x], { before, value }, [result]) => [
    indices(result!.shape).map((index) => {
      const own = index.map((i, axis) => i - before[axis]!);
      const isInside = own.every((i, axis) => i >= 0 && i < x!.shape[axis]!);
      return isInside ? x!.values[placeOf(own, x!.shape)]! : value;
    }),
  ],

  gather: (inputs, { axis }, [result]) => {
    const [data, positions] = inputs as [Value, Value];
    const rank = positions.shape.length;
    return [
      readAt(data, result!, (index) => {
        const position = positions.values[placeOf(index.slice(axis, axis + rank), positions.shape)]!;
        return [...index.slice(0, axis), checkedIndex(position, data.shape[axis]!), ...index.slice(axis + rank)];
      }),
    ];
  },
  scatterAddRows: (inputs) => {
    const [data, rows, updates] = inputs as [Value, Value, Value];
    const out = data.values.slice();
    indices(updates.shape).forEach((index, i) => {
      const row = checkedIndex(rows.values[index[0]!]!, data.shape[0]!);
      const place = placeOf([row, ...index.slice(1)], data.shape);
      out[place] = out[place]! + updates.values[i]!;
    });
    return [out];
  },
  takeAlongAxis: (inputs, { axis }, [result]) => {
    const [data, positions] = inputs as [Value, Value];
    return [
      readAt(data, result!, (index) => {
        const position = positions.values[placeOf(index, positions.shape)]!;
        return replaced(index, axis, checkedIndex(position, data.shape[axis]!));
      }),
    ];
  },
  scatterAddAlongAxis: (inputs, { axis }) => {
    const [data, positions, updates] = inputs as [Value, Value, Value];
    const out = data.values.slice();
    indices(updates.shape).forEach((index, i) => {
      const position = checkedIndex(positions.values[i]!, data.shape[axis]!);
      const place = placeOf(replaced(index, axis, position), data.shape);
      out[place] = out[place]! + updates.values[i]!;
    });
    return [out];
  },

  rotary: (inputs, { interleaved }, [result]) => {
    const [x, cos, sin] = inputs as [Value, Value, Value];
    const last = x.shape.length - 1;
    const half = x.shape[last]! / 2;
    return [
      indices(result!.shape).map((index) => {
        const column = index[last]!;
        const pair = interleaved ? Math.floor(column / 2) : column % half;
        const [i1, i2] = interleaved ? [2 * pair, 2 * pair + 1] : [pair, pair + half];
        const x1 = x.values[placeOf(replaced(index, last, i1), x.shape)]!;
        const x2 = x.values[placeOf(replaced(index, last, i2), x.shape)]!;
        const c = broadcastAt(cos, replaced(index, last, pair));
        const s = broadcastAt(sin, replaced(index, last, pair));
        return column === i1 ? x1 * c - x2 * s : x2 * c + x1 * s;
      }),
    ];
  },

  identity: ([x]) => [x!.values],
  stopGradient: ([x]) => [x!.values],
  custom: (inputs, { argumentCount }) => inputs.slice(argumentCount).map(({ values }) => values),
  barrier: ([x]) => [x!.values],
} satisfies { readonly [K in OperatorName]?: Rule<K> };
