/** Matrix products and Einstein sums. */
import { FiducialError } from '../../core/errors.ts';
import type { Tensor } from '../graph.ts';
import { emitOne } from '../operators/emit.ts';
import { mul } from './elementwise.ts';
import { expandDims, reshape, transpose } from './movement.ts';
import { sum } from './reductions.ts';

/**
 * Matrix product of the last two axes times `scale`, batched over the others with broadcasting.
 *
 * @param a [..., rows, inner], or [..., inner, rows] with transposeA
 * @param b [..., inner, columns], or [..., columns, inner] with transposeB
 * @returns [..., rows, columns]
 */
export function matmul(
  a: Tensor,
  b: Tensor,
  options: { readonly transposeA?: boolean; readonly transposeB?: boolean; readonly scale?: number } = {},
): Tensor {
  const { transposeA = false, transposeB = false, scale = 1 } = options;
  return emitOne('matmul', [a, b], { transposeA, transposeB, scale });
}

/**
 * x @ weight + bias for x of any rank.
 *
 * @param x [..., in]
 * @param weight [in, out]; [out, in] with transposeWeight, as PyTorch's Linear keeps it
 * @param bias [out], or undefined
 */
export function linear(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  options: { readonly transposeWeight?: boolean } = {},
): Tensor {
  const attributes = { transposeWeight: options.transposeWeight ?? false, hasBias: bias !== undefined };
  return emitOne('linear', bias === undefined ? [x, weight] : [x, weight, bias], attributes);
}

/**
 * x @ weight for a weight in 4 or 8 bits: weight[out, in] = scale * (code - zero point), with a scale and a zero point
 * for each block of the input axis. It has no derivative.
 *
 * @param x [..., inputs]
 * @param packed uint8 [outputs, blocks, block * bits / 8], codes from the lowest bits of each byte up
 * @param scales [outputs, blocks]
 * @param options.zeroPoints uint8 [outputs, ceil(blocks * bits / 8)], packed like the codes; 2^(bits - 1) without
 * @param options.accuracy `float32` (the default), or `int8`: activations are rounded to 8 bits too, which is faster
 * @returns [..., outputs]
 * Source: ONNX Runtime's contributed operator MatMulNBits.
 */
export function matmulQuantised(
  x: Tensor,
  packed: Tensor,
  scales: Tensor,
  options: {
    readonly bits: 4 | 8;
    readonly block: number;
    readonly inputs: number;
    readonly outputs: number;
    readonly zeroPoints?: Tensor;
    readonly accuracy?: 'float32' | 'int8';
  },
): Tensor {
  const { bits, block, inputs, outputs, zeroPoints, accuracy = 'float32' } = options;
  const operands = zeroPoints === undefined ? [x, packed, scales] : [x, packed, scales, zeroPoints];
  return emitOne('matmulQuantised', operands, { bits, block, inputs, outputs, accuracy });
}

/** Sum of the products of two vectors. */
export const dot = (a: Tensor, b: Tensor): Tensor => sum(mul(a, b));

/**
 * Einstein summation, for example `einsum('bhqd,bhkd->bhqk', query, key)`. Each letter names an axis; letters absent
 * from the result are summed over. An operand may not repeat a letter.
 *
 * Operands are joined from left to right, each pair as one batched matrix product.
 */
export function einsum(equation: string, ...operands: readonly Tensor[]): Tensor {
  const parsed = /^([a-zA-Z]+(?:,[a-zA-Z]+)*)->([a-zA-Z]*)$/.exec(equation.replaceAll(' ', ''));
  const terms = parsed?.[1]?.split(',') ?? [];
  const result = parsed?.[2] ?? '';
  const fail = (why: string): FiducialError =>
    new FiducialError(
      'engine.shape',
      `einsum("${equation}"): ${why}`,
      'Write one group of letters an operand, and the letters of the result: "ij,jk->ik".',
    );
  if (parsed === null) throw fail('it cannot be read');
  if (terms.length !== operands.length) throw fail(`${terms.length} terms for ${operands.length} operands`);
  const sizes = new Map<string, number>();
  terms.forEach((term, i) => {
    const { shape } = operands[i]!;
    if (term.length !== shape.length) throw fail(`"${term}" for an operand of shape [${shape.join(', ')}]`);
    if (new Set(term).size !== term.length) throw fail(`"${term}" repeats a letter`);
    Array.from(term).forEach((letter, axis) => {
      const known = sizes.get(letter) ?? shape[axis]!;
      if (known !== shape[axis]) throw fail(`axis ${letter} has sizes ${known} and ${shape[axis]}`);
      sizes.set(letter, known);
    });
  });
  if (new Set(result).size !== result.length || Array.from(result).some((letter) => !sizes.has(letter)))
    throw fail(`the result "${result}"`);

  let letters = terms[0]!;
  let value = operands[0]!;
  for (let i = 1; i < operands.length; i++) {
    const needed = new Set(Array.from(result + terms.slice(i + 1).join('')));
    [letters, value] = contract(letters, value, terms[i]!, operands[i]!, needed, sizes);
  }
  const dropped = Array.from(letters).flatMap((letter, axis) => (result.includes(letter) ? [] : [axis]));
  if (dropped.length > 0) value = sum(value, { axes: dropped });
  const left = Array.from(letters).filter((letter) => result.includes(letter));
  return transpose(
    value,
    Array.from(result).map((letter) => left.indexOf(letter)),
  );
}

/** One pair: letters shared and still needed become batch axes, letters shared and done are summed by the product. */
function contract(
  aLetters: string,
  a: Tensor,
  bLetters: string,
  b: Tensor,
  needed: ReadonlySet<string>,
  sizes: ReadonlyMap<string, number>,
): [string, Tensor] {
  const isDone = (letter: string, other: string): boolean => !other.includes(letter) && !needed.has(letter);
  const reduce = (letters: string, x: Tensor, other: string): [string, Tensor] => {
    const axes = Array.from(letters).flatMap((letter, axis) => (isDone(letter, other) ? [axis] : []));
    return axes.length === 0
      ? [letters, x]
      : [
          Array.from(letters)
            .filter((letter) => !isDone(letter, other))
            .join(''),
          sum(x, { axes }),
        ];
  };
  const [aLeft, aValue] = reduce(aLetters, a, bLetters);
  const [bLeft, bValue] = reduce(bLetters, b, aLetters);
  const batch = Array.from(aLeft).filter((letter) => bLeft.includes(letter) && needed.has(letter));
  const inner = Array.from(aLeft).filter((letter) => bLeft.includes(letter) && !needed.has(letter));
  const aOwn = Array.from(aLeft).filter((letter) => !bLeft.includes(letter));
  const bOwn = Array.from(bLeft).filter((letter) => !aLeft.includes(letter));
  const size = (group: readonly string[]): number => group.reduce((product, letter) => product * sizes.get(letter)!, 1);
  const arrange = (letters: string, x: Tensor, order: readonly string[], shape: readonly number[]): Tensor =>
    reshape(
      transpose(
        x,
        order.map((letter) => letters.indexOf(letter)),
      ),
      shape,
    );
  const left = arrange(aLeft, aValue, [...batch, ...aOwn, ...inner], [size(batch), size(aOwn), size(inner)]);
  const right = arrange(bLeft, bValue, [...batch, ...inner, ...bOwn], [size(batch), size(inner), size(bOwn)]);
  const order = [...batch, ...aOwn, ...bOwn];
  return [
    order.join(''),
    reshape(
      matmul(left, right),
      order.map((letter) => sizes.get(letter)!),
    ),
  ];
}

/** a [n] and b [m] to [n, m]. */
export const outer = (a: Tensor, b: Tensor): Tensor => mul(expandDims(a, 1), expandDims(b, 0));
