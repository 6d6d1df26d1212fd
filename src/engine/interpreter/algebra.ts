/** Float64 definitions of the matrix products. */
import type { OperatorName } from '../operators/attributes.ts';
import { broadcastAt, indices, type Rule, total, type Value } from './value.ts';

const count = (size: number): number[] => Array.from({ length: size }, (_, i) => i);

/** The code number `position` among those packed into bytes from the lowest bits up. */
function unpack(bytes: ArrayLike<number>, position: number, bits: 4 | 8): number {
  if (bits === 8) return bytes[position]!;
  const byte = bytes[position >> 1]!;
  return position % 2 === 0 ? byte & 15 : byte >> 4;
}

export const algebra = {
  matmul: (inputs, { transposeA, transposeB, scale }, results) => {
    const [a, b] = inputs as [Value, Value];
    const inner = a.shape.at(transposeA ? -2 : -1)!;
    return [
      indices(results[0]!.shape).map((index) => {
        const batch = index.slice(0, -2);
        const [row, column] = index.slice(-2) as [number, number];
        const products = count(inner).map(
          (k) =>
            broadcastAt(a, transposeA ? [...batch, k, row] : [...batch, row, k]) *
            broadcastAt(b, transposeB ? [...batch, column, k] : [...batch, k, column]),
        );
        return scale * total(products);
      }),
    ];
  },
  linear: (inputs, { transposeWeight, hasBias }, results) => {
    const [x, weight, bias] = inputs as [Value, Value, Value?];
    return [
      indices(results[0]!.shape).map((index) => {
        const [before, out] = [index.slice(0, -1), index.at(-1)!];
        const products = count(x.shape.at(-1)!).map(
          (k) => broadcastAt(x, [...before, k]) * broadcastAt(weight, transposeWeight ? [out, k] : [k, out]),
        );
        return total(products) + (hasBias ? bias!.values[out]! : 0);
      }),
    ];
  },
  // Weight [out, in] = scale (code - zero point), one scale and zero point a block of the input axis.
  matmulQuantised: (inputs, { bits, block, inputs: width, outputs: columns }, results) => {
    const [x, packed, scales, zeros] = inputs as [Value, Value, Value, Value?];
    const blocks = Math.ceil(width / block);
    const blockBytes = (block * bits) / 8;
    const zeroBytes = Math.ceil((blocks * bits) / 8);
    const weight = (out: number, k: number): number => {
      const at = Math.floor(k / block);
      const start = (out * blocks + at) * blockBytes;
      const code = unpack(packed.values.slice(start, start + blockBytes), k % block, bits);
      const own = zeros?.values.slice(out * zeroBytes, (out + 1) * zeroBytes);
      const zero = own === undefined ? 2 ** (bits - 1) : unpack(own, at, bits);
      return scales.values[out * blocks + at]! * (code - zero);
    };
    const table = count(columns).map((out) => count(width).map((k) => weight(out, k)));
    return [
      indices(results[0]!.shape).map((index) => {
        const [before, out] = [index.slice(0, -1), index.at(-1)!];
        return total(count(width).map((k) => broadcastAt(x, [...before, k]) * table[out]![k]!));
      }),
    ];
  },
} satisfies { readonly [K in OperatorName]?: Rule<K> };
