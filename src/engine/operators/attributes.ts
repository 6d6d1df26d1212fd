/**
 * The operators of the traced graph and the attributes of each.
 *
 * This list is the extension point: every table over it (shapes, ONNX form, derivative, float64 value) is a total
 * mapped type, so an operator with a forgotten rule does not compile. Semantics are NumPy's with broadcasting unless
 * a line says otherwise. What can be said with these operators without loss of speed is a function, not an operator.
 */
import type { Data, DType } from '../dtype.ts';

// An operator without attributes.
type None = Record<never, never>;
export type Axes = readonly number[];

export interface Operators {
  // Leaves. `input` is bound at each call; `constant` holds its own values; `fill` one value everywhere.
  input: { readonly slot: number };
  constant: { readonly data: Data; readonly shape: readonly number[]; readonly dtype: DType };
  fill: { readonly value: number; readonly shape: readonly number[]; readonly dtype: DType };

  // Element-wise, one operand.
  neg: None;
  exp: None;
  log: None;
  sqrt: None;
  reciprocal: None;
  tanh: None;
  sigmoid: None;
  erf: None;
  softplus: None;
  cos: None;
  sin: None;
  abs: None;
  sign: None; // 0 at 0
  floor: None;
  relu: None;
  gelu: { readonly approximate: 'none' | 'tanh' };
  silu: None;
  clip: { readonly low: number; readonly high: number };
  cast: { readonly to: DType };
  not: None;
  isNaN: None;

  // Element-wise, two operands of one type, with broadcasting.
  add: None;
  sub: None;
  mul: None;
  div: None; // integers: towards zero
  pow: None;
  maximum: None;
  minimum: None;
  equal: None;
  less: None;
  greater: None;
  lessOrEqual: None;
  greaterOrEqual: None;
  and: None;
  or: None;
  where: None; // condition, then, otherwise

  // Linear algebra. matmul batches over leading axes with broadcasting and multiplies by `scale`; linear is x @ w + b with x of any rank and
  // w of two axes, [in, out] or, with transposeWeight, [out, in].
  matmul: { readonly transposeA: boolean; readonly transposeB: boolean; readonly scale: number };
  linear: { readonly transposeWeight: boolean; readonly hasBias: boolean };

  // Reductions over `axes` (sorted, not negative). keepDims keeps them with size 1.
  sum: { readonly axes: Axes; readonly keepDims: boolean };
  mean: { readonly axes: Axes; readonly keepDims: boolean };
  max: { readonly axes: Axes; readonly keepDims: boolean };
  min: { readonly axes: Axes; readonly keepDims: boolean };
  prod: { readonly axes: Axes; readonly keepDims: boolean };
  logSumExp: { readonly axes: Axes; readonly keepDims: boolean };
  argMax: { readonly axis: number; readonly keepDims: boolean }; // int64, the first of equals
  cumulativeSum: { readonly axis: number; readonly exclusive: boolean; readonly reverse: boolean };
  topK: { readonly k: number; readonly axis: number; readonly largest: boolean }; // values, int64 indices, sorted

  // Normalised exponentials over one axis, and the loss built on them.
  softmax: { readonly axis: number };
  logSoftmax: { readonly axis: number };
  // logits [rows, classes], targets int [rows] -> loss [rows], log-probabilities [rows, classes]
  crossEntropy: None;

  // Normalisation over the last axis.
  layerNorm: { readonly epsilon: number }; // x, scale, bias -> y, mean, inverse standard deviation
  rmsNorm: { readonly epsilon: number }; // x, scale -> y, inverse root mean square

  // Movement.
  reshape: { readonly shape: readonly number[] };
  transpose: { readonly permutation: Axes };
  broadcast: { readonly shape: readonly number[] };
  concat: { readonly axis: number };
  slice: { readonly starts: Axes; readonly ends: Axes; readonly steps: Axes }; // one of each an axis; steps > 0
  split: { readonly axis: number; readonly sizes: readonly number[] }; // one result a size
  pad: { readonly before: Axes; readonly after: Axes; readonly value: number };

  // Indexing. Indices are int32 or int64 and, where data says so, checked by the host, never clamped.
  gather: { readonly axis: number }; // data, indices of any shape
  scatterAddRows: None; // data [rows, ...], indices [n], updates [n, ...]; equal indices add up
  takeAlongAxis: { readonly axis: number };
  scatterAddAlongAxis: { readonly axis: number }; // data, indices, updates, as takeAlongAxis

  // Positions: rotate pairs of the last axis by an angle a position. x [..., time, width], cos and sin [time, width/2].
  rotary: { readonly interleaved: boolean };

  // Weights in 4 or 8 bits, in blocks along the input axis: x, packed [out, blocks, bytes], scales, zero points.
  matmulQuantised: {
    readonly bits: 4 | 8;
    readonly block: number;
    readonly inputs: number;
    readonly outputs: number;
    /** What the products are computed in; `float32` unless told. */
    readonly accuracy?: 'float32' | 'int8';
  };

  // Derivative control. None of them computes anything.
  identity: None;
  stopGradient: None;
  // inputs: the arguments, then the values computed from them; outputs: those values. The rule is the user's.
  custom: { readonly rule: number; readonly argumentCount: number };
  // value, ticket: the value, but not before the ticket is there, and hidden from the runtime's optimiser.
  barrier: None;
}

export type OperatorName = keyof Operators;
export type Attributes<K extends OperatorName> = Operators[K];
