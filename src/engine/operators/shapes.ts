/**
 * Shape rules: from the operands' shapes and types to the results', or an error that names the operator and both
 * shapes. The table is total over {@link Operators}.
 */
import { FiducialError } from '../../core/errors.ts';
import { type DType, isFloat } from '../dtype.ts';
import { elementCount, sameShape, type Shape, type Spec } from '../graph.ts';
import type { Attributes, OperatorName } from './attributes.ts';

type ShapeRule<K extends OperatorName> = (inputs: readonly Spec[], attributes: Attributes<K>, operator: K) => Spec[];

export const text = (spec: Spec): string => `${spec.dtype}[${spec.shape.join(', ')}]`;

/** A shape mismatch: names the operator, the operands and what would fit. */
export function mismatch(
  operator: string,
  inputs: readonly Spec[],
  why: string,
  hint = 'Check the shapes of the operands.',
): FiducialError {
  return new FiducialError('engine.shape', `${operator}: ${inputs.map(text).join(' and ')}: ${why}`, hint);
}

function requireFloat(operator: string, inputs: readonly Spec[]): void {
  for (const input of inputs) {
    if (!isFloat(input.dtype) || input.dtype === 'bfloat16') {
      throw new FiducialError(
        'engine.dtype',
        `${operator}: ${text(input)} is not float32 or float16`,
        'Convert it with cast(x, "float32").',
      );
    }
  }
}

/** Eight-bit integers and bool are stored, moved, compared and cast; nothing is computed in them. */
function requireNumber(operator: string, inputs: readonly Spec[]): void {
  for (const input of inputs) {
    if (!['float32', 'float16', 'int32', 'int64'].includes(input.dtype)) {
      throw new FiducialError(
        'engine.dtype',
        `${operator}: ${text(input)} is not a type to compute in`,
        'Convert it with cast(x, "int32") or cast(x, "float32").',
      );
    }
  }
}

function requireIndex(operator: string, input: Spec): void {
  if (input.dtype === 'int32' || input.dtype === 'int64') return;
  throw new FiducialError('engine.dtype', `${operator}: indices are ${text(input)}`, 'Indices are int32 or int64.');
}

function requireSameType(operator: string, inputs: readonly Spec[]): DType {
  const first = inputs[0]!.dtype;
  if (inputs.some((input) => input.dtype !== first)) {
    throw new FiducialError(
      'engine.dtype',
      `${operator}: ${inputs.map(text).join(' and ')} are of different types`,
      'Convert one of them with cast().',
    );
  }
  return first;
}

/** NumPy's broadcasting of two shapes, or undefined. */
export function broadcastShapes(a: Shape, b: Shape): number[] | undefined {
  const rank = Math.max(a.length, b.length);
  const out: number[] = [];
  for (let i = 0; i < rank; i++) {
    const x = a[i - rank + a.length] ?? 1;
    const y = b[i - rank + b.length] ?? 1;
    if (x !== y && x !== 1 && y !== 1) return undefined;
    out.push(x === 1 ? y : x);
  }
  return out;
}

function broadcastAll(operator: string, inputs: readonly Spec[]): number[] {
  let shape: number[] = [...inputs[0]!.shape];
  for (const input of inputs.slice(1)) {
    const next = broadcastShapes(shape, input.shape);
    if (next === undefined)
      throw mismatch(operator, inputs, 'the shapes do not broadcast', 'Sizes must be equal, or one of them 1.');
    shape = next;
  }
  return shape;
}

const unaryFloat = (inputs: readonly Spec[], _: unknown, operator: OperatorName): Spec[] => {
  requireFloat(operator, inputs);
  return [{ shape: inputs[0]!.shape, dtype: inputs[0]!.dtype }];
};
const unaryAny = (inputs: readonly Spec[]): Spec[] => [{ shape: inputs[0]!.shape, dtype: inputs[0]!.dtype }];
const unaryNumber = (inputs: readonly Spec[], _: unknown, operator: OperatorName): Spec[] => {
  requireNumber(operator, inputs);
  return unaryAny(inputs);
};
const binary = (inputs: readonly Spec[], _: unknown, operator: OperatorName): Spec[] => {
  requireNumber(operator, inputs);
  const dtype = requireSameType(operator, inputs);
  return [{ shape: broadcastAll(operator, inputs), dtype }];
};
const comparison = (inputs: readonly Spec[], _: unknown, operator: OperatorName): Spec[] => {
  requireSameType(operator, inputs);
  return [{ shape: broadcastAll(operator, inputs), dtype: 'bool' }];
};
const ordering = (inputs: readonly Spec[], attributes: unknown, operator: OperatorName): Spec[] => {
  if (inputs.some(({ dtype }) => dtype === 'bool')) requireNumber(operator, inputs);
  return comparison(inputs, attributes, operator);
};
const logical = (inputs: readonly Spec[], _: unknown, operator: OperatorName): Spec[] => {
  if (inputs.some((input) => input.dtype !== 'bool')) {
    throw new FiducialError(
      'engine.dtype',
      `${operator}: ${inputs.map(text).join(' and ')}`,
      'Operands must be bool: compare first.',
    );
  }
  return [{ shape: broadcastAll(operator, inputs), dtype: 'bool' }];
};

function reduced(shape: Shape, axes: readonly number[], keepDims: boolean): number[] {
  const out: number[] = [];
  shape.forEach((size, axis) => {
    if (!axes.includes(axis)) out.push(size);
    else if (keepDims) out.push(1);
  });
  return out;
}
const reduction = (
  inputs: readonly Spec[],
  attributes: { readonly axes: readonly number[]; readonly keepDims: boolean },
  operator: OperatorName,
): Spec[] => {
  requireNumber(operator, inputs);
  return [{ shape: reduced(inputs[0]!.shape, attributes.axes, attributes.keepDims), dtype: inputs[0]!.dtype }];
};
const extremum = (
  inputs: readonly Spec[],
  attributes: { readonly axes: readonly number[]; readonly keepDims: boolean },
  operator: OperatorName,
): Spec[] => {
  if (attributes.axes.some((axis) => inputs[0]!.shape[axis] === 0)) {
    throw mismatch(
      operator,
      inputs,
      'nothing to take the extremum of',
      'Give it at least one element along every reduced axis.',
    );
  }
  return reduction(inputs, attributes, operator);
};
const alongAxis = (inputs: readonly Spec[], _: unknown, operator: OperatorName): Spec[] => {
  requireFloat(operator, inputs);
  return unaryAny(inputs);
};

/** Resolves the batch and matrix axes of a product. */
function matmulShape(operator: string, inputs: readonly Spec[], transposeA: boolean, transposeB: boolean): number[] {
  const [a, b] = [inputs[0]!.shape, inputs[1]!.shape];
  if (a.length < 2 || b.length < 2) {
    throw mismatch(operator, inputs, 'both need two axes or more', 'Add an axis with reshape().');
  }
  const rows = a.at(transposeA ? -1 : -2)!;
  const inner = a.at(transposeA ? -2 : -1)!;
  const innerB = b.at(transposeB ? -1 : -2)!;
  const columns = b.at(transposeB ? -2 : -1)!;
  if (inner !== innerB) {
    const note = transposeA || transposeB ? ` (transposeA ${transposeA}, transposeB ${transposeB})` : '';
    throw mismatch(
      operator,
      inputs,
      `the inner sizes ${inner} and ${innerB} differ${note}`,
      'Transpose an operand, or pass transposeA or transposeB.',
    );
  }
  const batch = broadcastShapes(a.slice(0, -2), b.slice(0, -2));
  if (batch === undefined) throw mismatch(operator, inputs, 'the batch axes do not broadcast');
  return [...batch, rows, columns];
}

export const shapeRules: { readonly [K in OperatorName]: ShapeRule<K> } = {
  input: () => {
    throw new Error('an input has the shape that its trace gives it');
  },
  constant: (_, { shape, dtype }) => [{ shape, dtype }],
  fill: (_, { shape, dtype }) => [{ shape, dtype }],

  neg: unaryNumber,
  exp: unaryFloat,
  log: unaryFloat,
  sqrt: unaryFloat,
  reciprocal: unaryFloat,
  tanh: unaryFloat,
  sigmoid: unaryFloat,
  erf: unaryFloat,
  softplus: unaryFloat,
  cos: unaryFloat,
  sin: unaryFloat,
  abs: unaryNumber,
  sign: unaryNumber,
  floor: unaryFloat,
  relu: unaryFloat,
  gelu: alongAxis,
  silu: unaryFloat,
  clip: unaryNumber,
  cast: (inputs, { to }) => [{ shape: inputs[0]!.shape, dtype: to }],
  not: logical,
  isNaN: (inputs, _, operator) => {
    requireFloat(operator, inputs);
    return [{ shape: inputs[0]!.shape, dtype: 'bool' }];
  },

  add: binary,
  sub: binary,
  mul: binary,
  div: binary,
  pow: binary,
  maximum: binary,
  minimum: binary,
  equal: comparison,
  less: ordering,
  greater: ordering,
  lessOrEqual: ordering,
  greaterOrEqual: ordering,
  and: logical,
  or: logical,
  where: (inputs, _, operator) => {
    if (inputs[0]!.dtype !== 'bool') {
      throw new FiducialError(
        'engine.dtype',
        `where: the condition is ${text(inputs[0]!)}`,
        'The condition must be bool: compare first.',
      );
    }
    const dtype = requireSameType(operator, inputs.slice(1));
    return [{ shape: broadcastAll(operator, inputs), dtype }];
  },

  matmul: (inputs, { transposeA, transposeB }, operator) => {
    requireFloat(operator, inputs);
    return [{ shape: matmulShape(operator, inputs, transposeA, transposeB), dtype: requireSameType(operator, inputs) }];
  },
  linear: (inputs, { transposeWeight, hasBias }, operator) => {
    requireFloat(operator, inputs);
    const dtype = requireSameType(operator, inputs);
    const [x, weight, bias] = inputs as [Spec, Spec, Spec?];
    if (weight.shape.length !== 2 || x.shape.length < 1) {
      throw mismatch(operator, inputs, 'the weight needs two axes and the operand one or more');
    }
    const [inner, out] = transposeWeight ? [weight.shape[1]!, weight.shape[0]!] : [weight.shape[0]!, weight.shape[1]!];
    if (x.shape.at(-1) !== inner) {
      throw mismatch(
        operator,
        inputs,
        `the last size ${x.shape.at(-1)} is not the weight's ${inner}`,
        'A weight is [in, out], or [out, in] with transposeWeight.',
      );
    }
    if (hasBias && (bias === undefined || !sameShape(bias.shape, [out]))) {
      throw mismatch(operator, inputs, `the bias is not [${out}]`);
    }
    return [{ shape: [...x.shape.slice(0, -1), out], dtype }];
  },

  sum: reduction,
  mean: (inputs, attributes, operator) => {
    requireFloat(operator, inputs);
    return reduction(inputs, attributes, operator);
  },
  max: extremum,
  min: extremum,
  prod: reduction,
  logSumExp: (inputs, attributes, operator) => {
    requireFloat(operator, inputs);
    return extremum(inputs, attributes, operator);
  },
  argMax: (inputs, { axis, keepDims }, operator) => [
    { shape: extremum(inputs, { axes: [axis], keepDims }, operator)[0]!.shape, dtype: 'int64' },
  ],
  cumulativeSum: unaryNumber,
  topK: (inputs, { k, axis }, operator) => {
    requireNumber(operator, inputs);
    const shape = [...inputs[0]!.shape];
    if (k > shape[axis]! || k < 0 || !Number.isInteger(k)) {
      throw mismatch(
        operator,
        inputs,
        `k is ${k}, and axis ${axis} has ${shape[axis]}`,
        'Take k between 0 and the size of the axis.',
      );
    }
    shape[axis] = k;
    return [
      { shape, dtype: inputs[0]!.dtype },
      { shape, dtype: 'int64' },
    ];
  },

  softmax: alongAxis,
  logSoftmax: alongAxis,
  crossEntropy: (inputs, _, operator) => {
    const [logits, targets] = inputs as [Spec, Spec];
    requireFloat(operator, [logits]);
    requireIndex(operator, targets);
    if (logits.shape.length !== 2 || targets.shape.length !== 1 || logits.shape[0] !== targets.shape[0]) {
      throw mismatch(operator, inputs, 'logits are [rows, classes] and targets [rows]');
    }
    return [
      { shape: [logits.shape[0]!], dtype: logits.dtype },
      { shape: logits.shape, dtype: logits.dtype },
    ];
  },

  layerNorm: (inputs, _, operator) => {
    requireFloat(operator, inputs);
    const [x, scale, bias] = inputs as [Spec, Spec, Spec];
    const width = x.shape.at(-1);
    if (width === undefined || !sameShape(scale.shape, [width]) || !sameShape(bias.shape, [width])) {
      throw mismatch(operator, inputs, `scale and bias are not [${width}]`);
    }
    const statistics = { shape: [...x.shape.slice(0, -1), 1], dtype: x.dtype };
    return [{ shape: x.shape, dtype: requireSameType(operator, inputs) }, statistics, statistics];
  },
  rmsNorm: (inputs, _, operator) => {
    requireFloat(operator, inputs);
    const [x, scale] = inputs as [Spec, Spec];
    const width = x.shape.at(-1);
    if (width === undefined || !sameShape(scale.shape, [width]))
      throw mismatch(operator, inputs, `the scale is not [${width}]`);
    return [
      { shape: x.shape, dtype: requireSameType(operator, inputs) },
      { shape: [...x.shape.slice(0, -1), 1], dtype: x.dtype },
    ];
  },

  reshape: (inputs, { shape }, operator) => {
    if (elementCount(shape) !== elementCount(inputs[0]!.shape)) {
      throw mismatch(
        operator,
        inputs,
        `it does not fill [${shape.join(', ')}]`,
        'Old and new shape must have as many elements.',
      );
    }
    return [{ shape, dtype: inputs[0]!.dtype }];
  },
  transpose: (inputs, { permutation }) => [
    { shape: permutation.map((axis) => inputs[0]!.shape[axis]!), dtype: inputs[0]!.dtype },
  ],
  broadcast: (inputs, { shape }, operator) => {
    const to = broadcastShapes(inputs[0]!.shape, shape);
    if (to === undefined || !sameShape(to, shape))
      throw mismatch(operator, inputs, `it does not broadcast to [${shape.join(', ')}]`);
    return [{ shape, dtype: inputs[0]!.dtype }];
  },
  concat: (inputs, { axis }, operator) => {
    const dtype = requireSameType(operator, inputs);
    const shape = [...inputs[0]!.shape];
    shape[axis] = 0;
    for (const input of inputs) {
      const rest = [...input.shape];
      rest[axis] = 0;
      const whole = [...shape];
      whole[axis] = 0;
      if (!sameShape(rest, whole)) throw mismatch(operator, inputs, `only axis ${axis} may differ`);
      shape[axis] = shape[axis] + input.shape[axis]!;
    }
    return [{ shape, dtype }];
  },
  slice: (inputs, { starts, ends, steps }) => [
    {
      shape: inputs[0]!.shape.map((_, axis) => Math.max(0, Math.ceil((ends[axis]! - starts[axis]!) / steps[axis]!))),
      dtype: inputs[0]!.dtype,
    },
  ],
  split: (inputs, { axis, sizes }) =>
    sizes.map((size) => ({ shape: inputs[0]!.shape.with(axis, size), dtype: inputs[0]!.dtype })),
  pad: (inputs, { before, after }) => [
    { shape: inputs[0]!.shape.map((size, axis) => size + before[axis]! + after[axis]!), dtype: inputs[0]!.dtype },
  ],

  gather: (inputs, { axis }, operator) => {
    const [data, indices] = inputs as [Spec, Spec];
    requireIndex(operator, indices);
    return [
      { shape: [...data.shape.slice(0, axis), ...indices.shape, ...data.shape.slice(axis + 1)], dtype: data.dtype },
    ];
  },
  scatterAddRows: (inputs, _, operator) => {
    const [data, indices, updates] = inputs as [Spec, Spec, Spec];
    requireIndex(operator, indices);
    requireSameType(operator, [data, updates]);
    requireNumber(operator, [data]);
    if (indices.shape.length !== 1 || !sameShape(updates.shape, [indices.shape[0]!, ...data.shape.slice(1)])) {
      throw mismatch(operator, inputs, 'data is [rows, ...], indices [n] and updates [n, ...]');
    }
    return [{ shape: data.shape, dtype: data.dtype }];
  },
  takeAlongAxis: (inputs, { axis }, operator) => {
    const [data, indices] = inputs as [Spec, Spec];
    requireIndex(operator, indices);
    requireAligned(operator, inputs, data.shape, indices.shape, axis);
    return [{ shape: indices.shape, dtype: data.dtype }];
  },
  scatterAddAlongAxis: (inputs, { axis }, operator) => {
    const [data, indices, updates] = inputs as [Spec, Spec, Spec];
    requireIndex(operator, indices);
    requireSameType(operator, [data, updates]);
    requireNumber(operator, [data]);
    requireAligned(operator, inputs, data.shape, indices.shape, axis);
    if (!sameShape(indices.shape, updates.shape))
      throw mismatch(operator, inputs, 'indices and updates differ in shape');
    return [{ shape: data.shape, dtype: data.dtype }];
  },
  rotary: (inputs, _, operator) => {
    requireFloat(operator, inputs);
    const [x, cos, sin] = inputs as [Spec, Spec, Spec];
    const angles = [x.shape.at(-2)!, x.shape.at(-1)! / 2];
    const fits = (table: Spec): boolean =>
      sameShape(table.shape.slice(-2), angles) &&
      sameShape(broadcastShapes(table.shape.slice(0, -2), x.shape.slice(0, -2)) ?? [-1], x.shape.slice(0, -2));
    if (!fits(cos) || !fits(sin))
      throw mismatch(operator, inputs, `the tables end in [${angles.join(', ')}]: time and half the width`);
    return [{ shape: x.shape, dtype: requireSameType(operator, inputs) }];
  },
  matmulQuantised: (inputs, { inputs: width, outputs }, operator) => {
    if (inputs[0]!.shape.at(-1) !== width) throw mismatch(operator, inputs, `the last size is not ${width}`);
    return [{ shape: [...inputs[0]!.shape.slice(0, -1), outputs], dtype: inputs[0]!.dtype }];
  },

  identity: unaryAny,
  stopGradient: unaryAny,
  custom: (inputs, { argumentCount }) => inputs.slice(argumentCount).map(({ shape, dtype }) => ({ shape, dtype })),
  barrier: unaryAny,
};

function requireAligned(operator: string, inputs: readonly Spec[], data: Shape, indices: Shape, axis: number): void {
  const isAligned = data.length === indices.length && data.every((size, i) => i === axis || indices[i]! <= size);
  if (!isAligned)
    throw mismatch(operator, inputs, `indices may differ from data only along axis ${axis}, and be shorter elsewhere`);
}
