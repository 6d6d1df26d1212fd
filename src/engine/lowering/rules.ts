/**
 * Lowering: each operator's ONNX form, and other forms where a device lacks a kernel or has a slow one.
 *
 * Facts behind the choices (ENGINE.md, bench/LOG.md): WebGPU has no LogSoftmax, OneHot or Equal on int64; on the
 * CPU, ScatterND with reduction "add" loses updates to equal indices when it runs on several threads (ONNX Runtime
 * 1.30), and ScatterElements does not. The table is total over {@link Operators}.
 */
import type { DType } from '../dtype.ts';
import { elementCount, type NodeOf, type Tensor } from '../graph.ts';
import type { OnnxAttribute } from '../onnx/model.ts';
import type { OperatorName } from '../operators/attributes.ts';
import type { Lowering } from './context.ts';
import { rotaryRule } from './rotary.ts';

type LoweringRule<K extends OperatorName> = (node: NodeOf<K>, to: Lowering) => void;

const MICROSOFT = 'com.microsoft';

const operandNames = (node: { readonly inputs: readonly Tensor[] }, to: Lowering): string[] =>
  node.inputs.map((input) => to.nameOf(input));
const resultNames = (node: { readonly outputs: readonly Tensor[] }, to: Lowering): string[] =>
  node.outputs.map((output) => to.nameOf(output));

/** An operator with the same meaning in ONNX. */
const same =
  (type: string, domain?: string) =>
  (node: { readonly inputs: readonly Tensor[]; readonly outputs: readonly Tensor[] }, to: Lowering): void => {
    to.add(
      type,
      operandNames(node, to),
      {},
      { outputs: resultNames(node, to), ...(domain === undefined ? {} : { domain }) },
    );
  };

/**
 * Kernels exist for some types of the last operand only: convert the operands of its type from position `from` on,
 * compute in a type that has them, and convert back.
 */
const through =
  (
    type: string,
    lacks: readonly DType[],
    via: DType,
    from = 0,
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
  ) =>
  (
    operands: readonly string[],
    node: { readonly inputs: readonly Tensor[]; readonly outputs: readonly Tensor[] },
    to: Lowering,
  ): void => {
    const { dtype } = node.inputs.at(-1)!;
    const outputs = resultNames(node, to);
    if (!lacks.includes(dtype)) {
      to.add(type, operands, attributes, { outputs });
      return;
    }
    const converted = operands.map((name, i) =>
      i >= from && node.inputs[i]!.dtype === dtype ? castTo(to, name, via) : name,
    );
    castTo(to, to.add(type, converted, attributes), dtype, outputs[0]);
  };

const onnxType = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9, float16: 10, bfloat16: 16 } as const;

function castTo(to: Lowering, name: string, dtype: DType, output?: string): string {
  return to.add('Cast', [name], { to: { int: onnxType[dtype] } }, output === undefined ? {} : { outputs: [output] });
}

/** Nothing is computed: the result goes by the operand's name. */
const alias = (
  node: { readonly inputs: readonly Tensor[]; readonly outputs: readonly Tensor[] },
  to: Lowering,
): void => {
  node.outputs.forEach((output, i) =>
    to.setName(output, to.nameOf(node.inputs[node.inputs.length - node.outputs.length + i]!)),
  );
};

const reduceWith =
  (type: string) =>
  (node: NodeOf<'sum' | 'mean' | 'max' | 'min' | 'prod' | 'logSumExp'>, to: Lowering): void => {
    const x = node.inputs[0]!;
    const { axes, keepDims } = node.attributes;
    const outputs = resultNames(node, to);
    if (axes.length === 0) {
      // ONNX reads no axes as all of them.
      to.add('Identity', operandNames(node, to), {}, { outputs });
      return;
    }
    if (x.size === 0 && type === 'ReduceMean') {
      // The mean of nothing is not a number; the kernel says 0.
      to.setName(node.outputs[0]!, to.filled(NaN, node.outputs[0]!.shape, x.dtype));
      return;
    }
    if (x.size >= 4096 && type === 'ReduceSum' && x.dtype === 'float32' && isLeading(axes) && axes.length < x.rank) {
      sumLeadingAxes(node as NodeOf<'sum'>, to);
      return;
    }
    to.add(type, [to.nameOf(x), to.ints(axes)], { keepdims: { int: keepDims ? 1 : 0 } }, { outputs });
  };

const isLeading = (axes: readonly number[]): boolean => axes.every((axis, i) => axis === i);

/**
 * Sum over leading axes as a row of ones times a matrix: on the CPU about twice as fast as the reduction kernel, and
 * on WebGPU that kernel gives each column one thread group.
 */
function sumLeadingAxes(node: NodeOf<'sum'>, to: Lowering): void {
  const x = node.inputs[0]!;
  const rows = elementCount(x.shape.slice(0, node.attributes.axes.length));
  const columns = elementCount(x.shape.slice(node.attributes.axes.length));
  const flat = to.add('Reshape', [to.nameOf(x), to.ints([rows, columns])], { allowzero: { int: 1 } });
  const product = to.add('MatMul', [to.filled(1, [1, rows], x.dtype), flat]);
  to.add(
    'Reshape',
    [product, to.ints(node.outputs[0]!.shape)],
    { allowzero: { int: 1 } },
    { outputs: resultNames(node, to) },
  );
}

function matmulRule(node: NodeOf<'matmul'>, to: Lowering): void {
  const [a, b] = node.inputs as [Tensor, Tensor];
  const { transposeA, transposeB, scale } = node.attributes;
  const outputs = resultNames(node, to);
  const transposes = { transA: { int: Number(transposeA) }, transB: { int: Number(transposeB) } };
  const isPlain = !transposeA && !transposeB && scale === 1;
  if (a.size === 0 || b.size === 0) {
    // FusedMatMul leaves its result as it finds it where nothing is summed.
    to.setName(node.outputs[0]!, to.filled(0, node.outputs[0]!.shape, a.dtype));
    return;
  }
  if (a.rank === 2 && b.rank === 2) {
    to.add('Gemm', operandNames(node, to), { ...transposes, alpha: { float: scale } }, { outputs });
  } else if (isPlain) to.add('MatMul', operandNames(node, to), {}, { outputs });
  else if (to.device === 'cpu' && a.dtype === 'float32') {
    to.add(
      'FusedMatMul',
      operandNames(node, to),
      { ...transposes, alpha: { float: scale } },
      { outputs, domain: MICROSOFT },
    );
  } else {
    const turned = (x: Tensor, isTurned: boolean): string => (isTurned ? swapLast(to, x) : to.nameOf(x));
    const operands = [turned(a, transposeA), turned(b, transposeB)];
    if (scale === 1) to.add('MatMul', operands, {}, { outputs });
    else to.add('Mul', [to.add('MatMul', operands), to.scalar(scale, a.dtype)], {}, { outputs });
  }
}

function swapLast(to: Lowering, x: Tensor): string {
  const order = x.shape.map((_, i) => i);
  [order[x.rank - 2], order[x.rank - 1]] = [x.rank - 1, x.rank - 2];
  return to.add('Transpose', [to.nameOf(x)], { perm: { ints: order } });
}

function linearRule(node: NodeOf<'linear'>, to: Lowering): void {
  const [x, weight, bias] = node.inputs as [Tensor, Tensor, Tensor?];
  const { transposeWeight } = node.attributes;
  const y = node.outputs[0]!;
  const rows = elementCount(x.shape.slice(0, -1));
  const flat =
    x.rank === 2
      ? to.nameOf(x)
      : to.add('Reshape', [to.nameOf(x), to.ints([rows, x.shape.at(-1)!])], { allowzero: { int: 1 } });
  const out = y.rank === 2 ? to.nameOf(y) : `${to.nameOf(y)}.flat`;
  const operands = [flat, to.nameOf(weight), ...(bias === undefined ? [] : [to.nameOf(bias)])];
  if (x.size === 0 || weight.size === 0) {
    const w = transposeWeight
      ? to.add('Transpose', [to.nameOf(weight)], { perm: { ints: [1, 0] } })
      : to.nameOf(weight);
    const product = to.add('MatMul', [flat, w], {}, bias === undefined ? { outputs: [out] } : {});
    if (bias !== undefined) to.add('Add', [product, to.nameOf(bias)], {}, { outputs: [out] });
  } else to.add('Gemm', operands, { transB: { int: Number(transposeWeight) } }, { outputs: [out] });
  if (y.rank !== 2) to.add('Reshape', [out, to.ints(y.shape)], { allowzero: { int: 1 } }, { outputs: [to.nameOf(y)] });
}

function logSoftmaxOnto(to: Lowering, x: string, axis: number, output?: string): string {
  const outputs = output === undefined ? {} : { outputs: [output] };
  if (to.device === 'cpu') return to.add('LogSoftmax', [x], { axis: { int: axis } }, outputs);
  const axes = to.ints([axis]);
  const shifted = to.add('Sub', [x, to.add('ReduceMax', [x, axes], { keepdims: { int: 1 } })]);
  const total = to.add('ReduceSum', [to.add('Exp', [shifted]), axes], { keepdims: { int: 1 } });
  return to.add('Sub', [shifted, to.add('Log', [total])], {}, outputs);
}

function crossEntropyRule(node: NodeOf<'crossEntropy'>, to: Lowering): void {
  const [logits, targets] = node.inputs as [Tensor, Tensor];
  const [loss, logProbabilities] = node.outputs as [Tensor, Tensor];
  const rows = logits.shape[0]!;
  const table = logSoftmaxOnto(to, to.nameOf(logits), 1, to.nameOf(logProbabilities));
  const wide = to.add('Reshape', [to.nameOf(targets), to.ints([rows, 1])], { allowzero: { int: 1 } });
  const chosen = to.add('GatherElements', [table, wide], { axis: { int: 1 } });
  const flat = to.add('Reshape', [chosen, to.ints([rows])], { allowzero: { int: 1 } });
  to.add('Neg', [flat], {}, { outputs: [to.nameOf(loss)] });
}

/** Adds rows by ScatterElements, which is right for equal indices; see the head of this file. */
function scatterAddRowsRule(node: NodeOf<'scatterAddRows'>, to: Lowering): void {
  const [data, indices, updates] = node.inputs as [Tensor, Tensor, Tensor];
  const rest = updates.shape.slice(1);
  if (updates.size === 0) {
    to.add('Identity', [to.nameOf(data)], {}, { outputs: resultNames(node, to) });
    return;
  }
  const wide = to.add('Reshape', [to.nameOf(indices), to.ints([indices.size, ...rest.map(() => 1)])], {
    allowzero: { int: 1 },
  });
  const expanded = to.add('Expand', [wide, to.ints(updates.shape)]);
  scatterElements(to, node, [to.nameOf(data), expanded, to.nameOf(updates)], 0);
}

/** The CPU has no float16 kernel that adds. */
function scatterElements(
  to: Lowering,
  node: { readonly inputs: readonly Tensor[]; readonly outputs: readonly Tensor[] },
  operands: readonly string[],
  axis: number,
): void {
  const attributes = { axis: { int: axis }, reduction: { text: 'add' } };
  through('ScatterElements', to.device === 'cpu' ? ['float16'] : [], 'float32', 0, attributes)(operands, node, to);
}

/** Where(condition, x, x): a copy that no optimiser merges or moves before the ticket's value is known. */
function barrierRule(node: NodeOf<'barrier'>, to: Lowering): void {
  const [value, ticket] = node.inputs as [Tensor, Tensor];
  const flat = to.add('Reshape', [to.nameOf(ticket), to.ints([-1])]);
  const first = to.add('Slice', [flat, to.ints([0]), to.ints([1])]);
  const condition = to.add('Equal', [first, first]);
  const outputs = resultNames(node, to);
  if (value.dtype === 'bool' || value.dtype === 'int8') {
    const wide = castTo(to, to.nameOf(value), 'int32');
    castTo(to, to.add('Where', [condition, wide, wide]), value.dtype, outputs[0]);
  } else to.add('Where', [condition, to.nameOf(value), to.nameOf(value)], {}, { outputs });
}

const withAxis = (type: string) => (node: NodeOf<'softmax'>, to: Lowering) => {
  to.add(type, operandNames(node, to), { axis: { int: node.attributes.axis } }, { outputs: resultNames(node, to) });
};

export const loweringRules: { readonly [K in OperatorName]: LoweringRule<K> } = {
  input: () => {},
  constant: (node, to) => {
    const { data, shape, dtype } = node.attributes;
    to.setName(node.outputs[0]!, to.constant(data, shape, dtype));
  },
  fill: (node, to) => {
    const { value, shape, dtype } = node.attributes;
    to.setName(node.outputs[0]!, to.filled(value, shape, dtype));
  },

  neg: same('Neg'),
  exp: same('Exp'),
  log: same('Log'),
  sqrt: same('Sqrt'),
  reciprocal: same('Reciprocal'),
  tanh: same('Tanh'),
  sigmoid: same('Sigmoid'),
  erf: same('Erf'),
  softplus: same('Softplus'),
  cos: same('Cos'),
  sin: same('Sin'),
  abs: same('Abs'),
  sign: same('Sign'),
  floor: same('Floor'),
  relu: same('Relu'),
  gelu: (node, to) => {
    const attributes = { approximate: { text: node.attributes.approximate } };
    to.add('Gelu', operandNames(node, to), attributes, { outputs: resultNames(node, to) });
  },
  silu: (node, to) => {
    to.add(
      'QuickGelu',
      operandNames(node, to),
      { alpha: { float: 1 } },
      { outputs: resultNames(node, to), domain: MICROSOFT },
    );
  },
  clip: (node, to) => {
    const x = node.inputs[0]!;
    const bounds = [to.scalar(node.attributes.low, x.dtype), to.scalar(node.attributes.high, x.dtype)];
    to.add('Clip', [to.nameOf(x), ...bounds], {}, { outputs: resultNames(node, to) });
  },
  cast: (node, to) => {
    castTo(to, to.nameOf(node.inputs[0]!), node.attributes.to, to.nameOf(node.outputs[0]!));
  },
  not: same('Not'),
  isNaN: same('IsNaN'),

  add: same('Add'),
  sub: same('Sub'),
  mul: same('Mul'),
  div: same('Div'),
  pow: same('Pow'),
  maximum: same('Max'),
  minimum: same('Min'),
  equal: (node, to) => {
    // WebGPU compares int32; the CPU compares every type.
    const isWide = to.device !== 'cpu' && node.inputs[0]!.dtype === 'int64';
    const operands = node.inputs.map((input) => (isWide ? castTo(to, to.nameOf(input), 'int32') : to.nameOf(input)));
    to.add('Equal', operands, {}, { outputs: resultNames(node, to) });
  },
  less: same('Less'),
  greater: same('Greater'),
  lessOrEqual: same('LessOrEqual'),
  greaterOrEqual: same('GreaterOrEqual'),
  and: same('And'),
  or: same('Or'),
  where: (node, to) => {
    through('Where', ['bool', 'int8'], 'int32', 1)(operandNames(node, to), node, to);
  },

  matmul: matmulRule,
  linear: linearRule,

  sum: reduceWith('ReduceSum'),
  mean: reduceWith('ReduceMean'),
  max: reduceWith('ReduceMax'),
  min: reduceWith('ReduceMin'),
  prod: reduceWith('ReduceProd'),
  logSumExp: reduceWith('ReduceLogSumExp'),
  argMax: (node, to) => {
    const { axis, keepDims } = node.attributes;
    to.add(
      'ArgMax',
      operandNames(node, to),
      { axis: { int: axis }, keepdims: { int: keepDims ? 1 : 0 } },
      { outputs: resultNames(node, to) },
    );
  },
  cumulativeSum: (node, to) => {
    const { axis, exclusive, reverse } = node.attributes;
    const attributes = { exclusive: { int: Number(exclusive) }, reverse: { int: Number(reverse) } };
    to.add('CumSum', [...operandNames(node, to), to.scalar(axis, 'int64')], attributes, {
      outputs: resultNames(node, to),
    });
  },
  topK: (node, to) => {
    const { k, axis, largest } = node.attributes;
    if (node.outputs[0]!.size === 0) {
      // The kernel divides by the number of rows and ends the process.
      for (const output of node.outputs) to.setName(output, to.filled(0, output.shape, output.dtype));
      return;
    }
    const attributes = { axis: { int: axis }, largest: { int: Number(largest) }, sorted: { int: 1 } };
    to.add('TopK', [...operandNames(node, to), to.ints([k])], attributes, { outputs: resultNames(node, to) });
  },

  softmax: withAxis('Softmax'),
  logSoftmax: (node, to) => {
    logSoftmaxOnto(to, to.nameOf(node.inputs[0]!), node.attributes.axis, to.nameOf(node.outputs[0]!));
  },
  crossEntropy: crossEntropyRule,

  layerNorm: (node, to) => {
    const attributes = { axis: { int: -1 }, epsilon: { float: node.attributes.epsilon } };
    to.add('LayerNormalization', operandNames(node, to), attributes, { outputs: resultNames(node, to) });
  },
  rmsNorm: (node, to) => {
    const attributes = { axis: { int: -1 }, epsilon: { float: node.attributes.epsilon }, stash_type: { int: 1 } };
    to.add('SimplifiedLayerNormalization', operandNames(node, to), attributes, { outputs: resultNames(node, to) });
  },

  reshape: (node, to) => {
    to.add(
      'Reshape',
      [...operandNames(node, to), to.ints(node.attributes.shape)],
      { allowzero: { int: 1 } },
      { outputs: resultNames(node, to) },
    );
  },
  transpose: (node, to) => {
    to.add(
      'Transpose',
      operandNames(node, to),
      { perm: { ints: node.attributes.permutation } },
      { outputs: resultNames(node, to) },
    );
  },
  broadcast: (node, to) => {
    to.add(
      'Expand',
      [...operandNames(node, to), to.ints(node.attributes.shape)],
      {},
      { outputs: resultNames(node, to) },
    );
  },
  concat: (node, to) => {
    to.add(
      'Concat',
      operandNames(node, to),
      { axis: { int: node.attributes.axis } },
      { outputs: resultNames(node, to) },
    );
  },
  slice: (node, to) => {
    const { starts, ends, steps } = node.attributes;
    const { shape } = node.inputs[0]!;
    const axes = shape.flatMap((size, axis) =>
      starts[axis] === 0 && ends[axis] === size && steps[axis] === 1 ? [] : [axis],
    );
    const pick = (values: readonly number[]): string => to.ints(axes.map((axis) => values[axis]!));
    to.add(
      'Slice',
      [...operandNames(node, to), pick(starts), pick(ends), to.ints(axes), pick(steps)],
      {},
      { outputs: resultNames(node, to) },
    );
  },
  split: (node, to) => {
    const { axis, sizes } = node.attributes;
    to.add(
      'Split',
      [...operandNames(node, to), to.ints(sizes)],
      { axis: { int: axis } },
      { outputs: resultNames(node, to) },
    );
  },
  pad: (node, to) => {
    const { before, after, value } = node.attributes;
    to.add(
      'Pad',
      [...operandNames(node, to), to.ints([...before, ...after]), to.scalar(value, node.inputs[0]!.dtype)],
      {},
      { outputs: resultNames(node, to) },
    );
  },

  gather: (node, to) => {
    to.add(
      'Gather',
      operandNames(node, to),
      { axis: { int: node.attributes.axis } },
      { outputs: resultNames(node, to) },
    );
  },
  scatterAddRows: scatterAddRowsRule,
  takeAlongAxis: (node, to) => {
    to.add(
      'GatherElements',
      operandNames(node, to),
      { axis: { int: node.attributes.axis } },
      { outputs: resultNames(node, to) },
    );
  },
  scatterAddAlongAxis: (node, to) => {
    scatterElements(to, node, operandNames(node, to), node.attributes.axis);
  },
  rotary: rotaryRule,
  matmulQuantised: (node, to) => {
    const { bits, block, inputs, outputs, accuracy } = node.attributes;
    const attributes = {
      K: { int: inputs },
      N: { int: outputs },
      bits: { int: bits },
      block_size: { int: block },
      ...(accuracy === 'int8' ? { accuracy_level: { int: 4 } } : {}),
    };
    to.add('MatMulNBits', operandNames(node, to), attributes, { outputs: resultNames(node, to), domain: MICROSOFT });
  },

  identity: alias,
  stopGradient: alias,
  custom: alias,
  barrier: barrierRule,
};
