/** Float64 definitions of the leaves and of the operators that work element by element. */
import { fromHalf, isFloat, toFloat64, toHalf } from '../dtype.ts';
import type { DType } from '../dtype.ts';
import { elementCount, type Spec } from '../graph.ts';
import type { OperatorName } from '../operators/attributes.ts';
import { erf, power, sigmoid, softplus } from './special.ts';
import { broadcastAt, indices, type Rule, type Value } from './value.ts';

const unary =
  (of: (x: number) => number) =>
  (inputs: readonly Value[]): ArrayLike<number>[] => [inputs[0]!.values.map(of)];

/** With broadcasting; `of` also gets the operands' type. */
const binary =
  (of: (a: number, b: number, dtype: DType) => number) =>
  (inputs: readonly Value[], _: unknown, results: readonly Spec[]): ArrayLike<number>[] => {
    const [a, b] = inputs as [Value, Value];
    return [indices(results[0]!.shape).map((index) => of(broadcastAt(a, index), broadcastAt(b, index), a.dtype))];
  };

const comparison = (holds: (a: number, b: number) => boolean): ReturnType<typeof binary> =>
  binary((a, b) => Number(holds(a, b)));

function convert(x: number, to: DType): number {
  if (to === 'bool') return Number(x !== 0);
  if (to === 'float16') return fromHalf(toHalf(x));
  return isFloat(to) ? x : Math.trunc(x);
}

export const elementwise = {
  input: () => {
    throw new Error('an input is given, not computed');
  },
  constant: (_, { data, dtype }) => [toFloat64(dtype, data)],
  fill: (_, { value, shape }) => [new Float64Array(elementCount(shape)).fill(value)],

  neg: unary((x) => -x),
  exp: unary(Math.exp),
  log: unary(Math.log),
  sqrt: unary(Math.sqrt),
  reciprocal: unary((x) => 1 / x),
  tanh: unary(Math.tanh),
  sigmoid: unary(sigmoid),
  erf: unary(erf),
  softplus: unary(softplus),
  cos: unary(Math.cos),
  sin: unary(Math.sin),
  abs: unary(Math.abs),
  sign: unary(Math.sign),
  floor: unary(Math.floor),
  relu: unary((x) => Math.max(x, 0)),
  gelu: ([x], { approximate }) => [
    x!.values.map((v) =>
      approximate === 'none'
        ? (v * (1 + erf(v / Math.SQRT2))) / 2
        : (v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)))) / 2,
    ),
  ],
  silu: unary((x) => x * sigmoid(x)),
  clip: ([x], { low, high }) => [x!.values.map((v) => Math.min(Math.max(v, low), high))],
  cast: ([x], { to }) => [x!.values.map((v) => convert(v, to))],
  not: unary((x) => 1 - x),
  isNaN: unary((x) => Number(Number.isNaN(x))),

  add: binary((a, b) => a + b),
  sub: binary((a, b) => a - b),
  mul: binary((a, b) => a * b),
  div: binary((a, b, dtype) => (isFloat(dtype) ? a / b : Math.trunc(a / b))),
  pow: binary(power),
  maximum: binary((a, b) => Math.max(a, b)),
  minimum: binary((a, b) => Math.min(a, b)),
  equal: comparison((a, b) => a === b),
  less: comparison((a, b) => a < b),
  greater: comparison((a, b) => a > b),
  lessOrEqual: comparison((a, b) => a <= b),
  greaterOrEqual: comparison((a, b) => a >= b),
  and: binary((a, b) => a * b),
  or: binary((a, b) => Math.max(a, b)),
  where: (inputs, _, results) => {
    const [condition, then, otherwise] = inputs as [Value, Value, Value];
    return [
      indices(results[0]!.shape).map((index) =>
        broadcastAt(broadcastAt(condition, index) === 1 ? then : otherwise, index),
      ),
    ];
  },
} satisfies { readonly [K in OperatorName]?: Rule<K> };
