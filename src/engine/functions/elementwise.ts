/**
 * Element-wise functions with NumPy broadcasting. A number operand takes the type of the other operand.
 * Constants known while tracing are folded (x + 0, x * 1, x * 0), which keeps derivative graphs small.
 */
import { FiducialError } from '../../core/errors.ts';
import type { DType } from '../dtype.ts';
import { elementCount, sameShape, type Shape, type Tensor } from '../graph.ts';
import type { OperatorName } from '../operators/attributes.ts';
import { emitOne } from '../operators/emit.ts';
import { broadcastShapes } from '../operators/shapes.ts';

export type Operand = Tensor | number;

/** `value` everywhere, as part of the traced graph: takes no memory. */
export function fill(shape: Shape, value: number, dtype: DType = 'float32'): Tensor {
  return emitOne('fill', [], { value, shape: [...shape], dtype });
}
export const zerosLike = (x: Tensor): Tensor => fill(x.shape, 0, x.dtype);
export const onesLike = (x: Tensor): Tensor => fill(x.shape, 1, x.dtype);

/** The value of a tensor that is the same everywhere and known while tracing. */
export function uniformValue(x: Tensor): number | undefined {
  return x.node?.operator === 'fill' ? x.node.attributes.value : undefined;
}

type Binary =
  | 'add'
  | 'sub'
  | 'mul'
  | 'div'
  | 'pow'
  | 'maximum'
  | 'minimum'
  | 'equal'
  | 'less'
  | 'greater'
  | 'lessOrEqual'
  | 'greaterOrEqual';

function pair(operator: string, a: Operand, b: Operand): [Tensor, Tensor] {
  if (typeof a === 'number') {
    if (typeof b === 'number') {
      throw new FiducialError(
        'engine.dtype',
        `${operator}(${a}, ${b}): neither operand is a tensor`,
        'Compute it in JavaScript.',
      );
    }
    return [fill([], a, b.dtype), b];
  }
  return [a, typeof b === 'number' ? fill([], b, a.dtype) : b];
}

function binary(operator: Binary, left: Operand, right: Operand): Tensor {
  let [a, b] = pair(operator, left, right);
  const shape = broadcastShapes(a.shape, b.shape);
  if (shape !== undefined && a.dtype === b.dtype) {
    const folded = fold(operator, a, b, shape);
    if (folded !== undefined) return folded;
    // A uniform operand needs no shape of its own where the other one already has the result's.
    if (uniformValue(a) !== undefined && sameShape(b.shape, shape)) a = fill([], uniformValue(a)!, a.dtype);
    else if (uniformValue(b) !== undefined && sameShape(a.shape, shape)) b = fill([], uniformValue(b)!, b.dtype);
  }
  return emitOne(operator, [a, b], {});
}

function fold(operator: Binary, a: Tensor, b: Tensor, shape: Shape): Tensor | undefined {
  const [x, y] = [uniformValue(a), uniformValue(b)];
  const whole = (t: Tensor): Tensor | undefined => (sameShape(t.shape, shape) ? t : undefined);
  const isFloat = a.dtype === 'float32';
  switch (operator) {
    case 'add':
      if (x !== undefined && y !== undefined && isFloat)
        return fill(shape, Math.fround(Math.fround(x) + Math.fround(y)));
      return y === 0 ? whole(a) : x === 0 ? whole(b) : undefined;
    case 'sub':
      return y === 0 ? whole(a) : undefined;
    case 'mul':
      if (x !== undefined && y !== undefined && isFloat)
        return fill(shape, Math.fround(Math.fround(x) * Math.fround(y)));
      return y === 1 ? whole(a) : x === 1 ? whole(b) : undefined;
    case 'div':
      return y === 1 ? whole(a) : undefined;
    default:
      return undefined;
  }
}

export const add = (a: Operand, b: Operand): Tensor => binary('add', a, b);
export const sub = (a: Operand, b: Operand): Tensor => binary('sub', a, b);
export const mul = (a: Operand, b: Operand): Tensor => binary('mul', a, b);
/** a / b; integers are divided towards zero. */
export const div = (a: Operand, b: Operand): Tensor => binary('div', a, b);
/** a to the power b. Its derivative in b takes log(a), so it is NaN for negative a. */
export const pow = (a: Operand, b: Operand): Tensor => binary('pow', a, b);
/** The larger of the two; where they are equal the derivative is shared equally. */
export const maximum = (a: Operand, b: Operand): Tensor => binary('maximum', a, b);
export const minimum = (a: Operand, b: Operand): Tensor => binary('minimum', a, b);
export const equal = (a: Operand, b: Operand): Tensor => binary('equal', a, b);
export const less = (a: Operand, b: Operand): Tensor => binary('less', a, b);
export const greater = (a: Operand, b: Operand): Tensor => binary('greater', a, b);
export const lessOrEqual = (a: Operand, b: Operand): Tensor => binary('lessOrEqual', a, b);
export const greaterOrEqual = (a: Operand, b: Operand): Tensor => binary('greaterOrEqual', a, b);
export const and = (a: Tensor, b: Tensor): Tensor => emitOne('and', [a, b], {});
export const or = (a: Tensor, b: Tensor): Tensor => emitOne('or', [a, b], {});
export const not = (a: Tensor): Tensor => emitOne('not', [a], {});

type Unary = {
  [K in OperatorName]: K;
}[
  | 'exp'
  | 'log'
  | 'sqrt'
  | 'reciprocal'
  | 'tanh'
  | 'sigmoid'
  | 'erf'
  | 'softplus'
  | 'cos'
  | 'sin'
  | 'abs'
  | 'sign'
  | 'floor'
  | 'relu'
  | 'silu'
  | 'isNaN'];

const unary = (operator: Unary) => (x: Tensor) => emitOne(operator, [x], {});

export const exp = unary('exp');
export const log = unary('log');
export const sqrt = unary('sqrt');
export const reciprocal = unary('reciprocal');
export const tanh = unary('tanh');
export const sigmoid = unary('sigmoid');
/** The error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x. */
export const erf = unary('erf');
/** log(1 + exp(x)). */
export const softplus = unary('softplus');
export const cos = unary('cos');
export const sin = unary('sin');
/** Its derivative at 0 is 0. */
export const abs = unary('abs');
/** -1, 0 or 1. */
export const sign = unary('sign');
/** The largest whole number not above x; its derivative is 0. */
export const floor = unary('floor');
/** max(x, 0); its derivative at 0 is 0. */
export const relu = unary('relu');
/** x sigmoid(x). */
export const silu = unary('silu');
export const isNaN = unary('isNaN');
/** 1 / sqrt(x). */
export const rsqrt = (x: Tensor): Tensor => reciprocal(sqrt(x));
export const square = (x: Tensor): Tensor => mul(x, x);

export function neg(x: Tensor): Tensor {
  const value = uniformValue(x);
  if (value !== undefined) return fill(x.shape, -value, x.dtype);
  return x.node?.operator === 'neg' ? x.node.inputs[0]! : emitOne('neg', [x], {});
}

/**
 * Gaussian error linear unit: x Phi(x), or its tanh approximation (the one of GPT-2).
 * Source: Hendrycks and Gimpel 2016, "Gaussian Error Linear Units".
 */
export const gelu = (x: Tensor, approximate: 'none' | 'tanh' = 'none'): Tensor => emitOne('gelu', [x], { approximate });

/** x kept between low and high; the derivative is 1 inside and on the bounds, 0 outside. */
export function clip(x: Tensor, low: number, high: number): Tensor {
  if (!(low <= high)) throw new FiducialError('engine.shape', `clip: low ${low} is above high ${high}`, 'Swap them.');
  return emitOne('clip', [x], { low, high });
}

/** Another element type. Float to integer cuts towards zero; the derivative passes between float types only. */
export function cast(x: Tensor, to: DType): Tensor {
  if (x.dtype === to) return x;
  const value = uniformValue(x);
  if (value !== undefined && to !== 'bool') return fill(x.shape, value, to);
  return emitOne('cast', [x], { to });
}

/** `then` where the condition holds, else `otherwise`. */
export function where(condition: Tensor, then: Operand, otherwise: Operand): Tensor {
  const [a, b] = pair('where', then, otherwise);
  return emitOne('where', [condition, a, b], {});
}

/** 0, 1, ..., count - 1 as a constant of the graph. */
export function iota(count: number, dtype: 'float32' | 'int32' | 'int64' = 'int32'): Tensor {
  const numbers = Array.from({ length: count }, (_, i) => i);
  const data =
    dtype === 'int64'
      ? BigInt64Array.from(numbers, BigInt)
      : dtype === 'int32'
        ? Int32Array.from(numbers)
        : Float32Array.from(numbers);
  return emitOne('constant', [], { data, shape: [count], dtype });
}

/** A table of values as a constant of the graph. */
export function constant(data: Float32Array, shape: Shape): Tensor {
  if (elementCount(shape) !== data.length) throw new Error(`${data.length} values for [${shape.join(', ')}]`);
  return emitOne('constant', [], { data, shape: [...shape], dtype: 'float32' });
}
