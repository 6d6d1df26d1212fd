/**
 * Derivative rules: from the cotangents of a node's results to those of its operands (reverse mode). Rules are
 * written with traced functions, so they have derivatives themselves and gradients of gradients need nothing more.
 * The table is total over {@link Operators}; `none` says that no derivative passes.
 */
import { FiducialError } from '../../core/errors.ts';
import { isFloat } from '../dtype.ts';
import { linear, matmul } from '../functions/algebra.ts';
import * as f from '../functions/elementwise.ts';
import { scatterAddAlongAxis, scatterAddRows, gather, takeAlongAxis } from '../functions/indexing.ts';
import { broadcastTo, concat, expandDims, narrow, pad, reshape, slice, transpose } from '../functions/movement.ts';
import { rotary } from '../functions/neural.ts';
import { cumulativeSum, mean, softmax, sum, sumTo } from '../functions/reductions.ts';
import type { NodeOf, Tensor } from '../graph.ts';
import { elementCount } from '../graph.ts';
import type { OperatorName } from '../operators/attributes.ts';
import { customRule } from './custom.ts';

/** The cotangents of the operands; undefined for zero. `g` holds one cotangent a result, undefined for zero. */
export type DerivativeRule<K extends OperatorName> =
  | 'none'
  | ((node: NodeOf<K>, g: readonly (Tensor | undefined)[]) => readonly (Tensor | undefined)[]);

/** A rule for an operator with one operand and one result. */
const one =
  <K extends OperatorName>(rule: (g: Tensor, x: Tensor, y: Tensor, node: NodeOf<K>) => Tensor) =>
  (node: NodeOf<K>, g: readonly (Tensor | undefined)[]): Tensor[] => [
    rule(g[0]!, node.inputs[0]!, node.outputs[0]!, node),
  ];

/** A rule for two operands that were broadcast against each other. */
const two =
  <K extends OperatorName>(
    rule: (g: Tensor, a: Tensor, b: Tensor, y: Tensor) => readonly [() => Tensor, () => Tensor],
  ) =>
  (node: NodeOf<K>, g: readonly (Tensor | undefined)[]): (Tensor | undefined)[] => {
    const [a, b] = node.inputs as [Tensor, Tensor];
    const [da, db] = rule(g[0]!, a, b, node.outputs[0]!);
    const part = (operand: Tensor, derivative: () => Tensor): Tensor | undefined =>
      f.uniformValue(operand) === undefined && isFloat(operand.dtype) ? sumTo(derivative(), operand.shape) : undefined;
    return [part(a, da), part(b, db)];
  };

const { add, sub, mul, div, neg } = f;

/** Where a reduction removed axes, puts them back with size 1. */
function restore(reduced: Tensor, x: Tensor, axes: readonly number[]): Tensor {
  return reshape(
    reduced,
    x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size)),
  );
}
const spread = (reduced: Tensor, x: Tensor, axes: readonly number[]): Tensor =>
  broadcastTo(restore(reduced, x, axes), x.shape);

function extremumRule(node: NodeOf<'max' | 'min'>, g: readonly (Tensor | undefined)[]): Tensor[] {
  const x = node.inputs[0]!;
  const { axes } = node.attributes;
  const isExtremum = f.cast(f.equal(x, restore(node.outputs[0]!, x, axes)), x.dtype);
  const shared = div(restore(g[0]!, x, axes), sum(isExtremum, { axes, keepDims: true }));
  return [mul(isExtremum, shared)];
}

const chooseRule = (wins: (a: Tensor, b: Tensor) => Tensor): ReturnType<typeof two> =>
  two((g, a, b) => {
    const half = (x: Tensor, y: Tensor): Tensor =>
      mul(g, add(f.cast(wins(x, y), g.dtype), mul(f.cast(f.equal(x, y), g.dtype), 0.5)));
    return [() => half(a, b), () => half(b, a)];
  });

/** Both kinds of tap into a normalised value: through the result and through the statistics that came with it. */
function layerNormRule(node: NodeOf<'layerNorm'>, g: readonly (Tensor | undefined)[]): (Tensor | undefined)[] {
  const [x, scale] = node.inputs as [Tensor, Tensor];
  const [, average, inverse] = node.outputs as [Tensor, Tensor, Tensor];
  const width = x.shape.at(-1)!;
  const last = { axes: -1, keepDims: true };
  const leading = { axes: x.shape.map((_, i) => i).slice(0, -1) };
  const normalised = mul(sub(x, average), inverse);
  let dx: Tensor | undefined;
  let dScale: Tensor | undefined;
  let dBias: Tensor | undefined;
  if (g[0] !== undefined) {
    const inner = mul(g[0], scale);
    const along = mean(mul(inner, normalised), last);
    dx = mul(sub(sub(inner, mean(inner, last)), mul(normalised, along)), inverse);
    dScale = sum(mul(g[0], normalised), leading);
    dBias = sum(g[0], leading);
  }
  if (g[1] !== undefined) {
    const part = broadcastTo(mul(g[1], 1 / width), x.shape);
    dx = dx === undefined ? part : add(dx, part);
  }
  if (g[2] !== undefined) {
    const part = mul(normalised, mul(mul(g[2], f.square(inverse)), -1 / width));
    dx = dx === undefined ? part : add(dx, part);
  }
  return [dx, dScale, dBias];
}

function rmsNormRule(node: NodeOf<'rmsNorm'>, g: readonly (Tensor | undefined)[]): (Tensor | undefined)[] {
  const [x, scale] = node.inputs as [Tensor, Tensor];
  const inverse = node.outputs[1]!;
  const width = x.shape.at(-1)!;
  const normalised = mul(x, inverse);
  let dx: Tensor | undefined;
  let dScale: Tensor | undefined;
  if (g[0] !== undefined) {
    const inner = mul(g[0], scale);
    const along = mean(mul(inner, normalised), { axes: -1, keepDims: true });
    dx = mul(sub(inner, mul(normalised, along)), inverse);
    dScale = sum(mul(g[0], normalised), { axes: x.shape.map((_, i) => i).slice(0, -1) });
  }
  if (g[1] !== undefined) {
    const part = mul(normalised, mul(mul(g[1], f.square(inverse)), -1 / width));
    dx = dx === undefined ? part : add(dx, part);
  }
  return [dx, dScale];
}

const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);

function geluRule(node: NodeOf<'gelu'>, g: readonly (Tensor | undefined)[]): Tensor[] {
  const x = node.inputs[0]!;
  if (node.attributes.approximate === 'none') {
    const density = mul(f.exp(mul(f.square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
    const cumulative = mul(add(f.erf(mul(x, Math.SQRT1_2)), 1), 0.5);
    return [mul(g[0]!, add(cumulative, mul(x, density)))];
  }
  // gelu(x) = x s with s = sigmoid(2u), u = c (x + 0.044715 x^3): fewer passes over memory than with tanh.
  const squared = f.square(x);
  const doubled = mul(x, add(mul(squared, 2 * SQRT_2_OVER_PI * 0.044715), 2 * SQRT_2_OVER_PI));
  const gate = f.sigmoid(doubled);
  const slope = mul(x, add(mul(squared, 6 * SQRT_2_OVER_PI * 0.044715), 2 * SQRT_2_OVER_PI)); // x d(2u)/dx
  return [mul(g[0]!, mul(gate, add(mul(slope, sub(1, gate)), 1)))];
}

function prodRule(node: NodeOf<'prod'>, g: readonly (Tensor | undefined)[]): Tensor[] {
  // The product of the others, as prefix times suffix, is right when an element is zero. One axis at a time.
  const x = node.inputs[0]!;
  const { axes } = node.attributes;
  if (axes.length !== 1) {
    const kept = x.shape.map((_, i) => i).filter((axis) => !axes.includes(axis));
    const order = [...kept, ...axes];
    const flat = reshape(transpose(x, order), [...kept.map((axis) => x.shape[axis]!), -1]);
    const d = othersProduct(flat, flat.rank - 1);
    const back = reshape(
      d,
      order.map((axis) => x.shape[axis]!),
    );
    return [
      mul(
        spread(g[0]!, x, axes),
        transpose(
          back,
          order.map((_, i) => order.indexOf(i)),
        ),
      ),
    ];
  }
  return [mul(spread(g[0]!, x, axes), othersProduct(x, axes[0]!))];
}

function othersProduct(x: Tensor, axis: number): Tensor {
  const size = x.shape[axis]!;
  if (size === 0) return x;
  const parts = Array.from({ length: size }, (_, i) => narrow(x, axis, i, i + 1));
  const prefix: (Tensor | undefined)[] = [undefined];
  for (let i = 1; i < size; i++)
    prefix.push(prefix[i - 1] === undefined ? parts[i - 1]! : mul(prefix[i - 1]!, parts[i - 1]!));
  const out: Tensor[] = [];
  let suffix: Tensor | undefined;
  for (let i = size - 1; i >= 0; i--) {
    const before = prefix[i];
    const both = before === undefined ? suffix : suffix === undefined ? before : mul(before, suffix);
    out.unshift(both ?? f.onesLike(parts[i]!));
    suffix = suffix === undefined ? parts[i]! : mul(suffix, parts[i]!);
  }
  return concat(out, axis);
}

export const derivativeRules: { readonly [K in OperatorName]: DerivativeRule<K> } = {
  input: 'none',
  constant: 'none',
  fill: 'none',

  neg: one((g) => neg(g)),
  exp: one((g, _, y) => mul(g, y)),
  log: one((g, x) => div(g, x)),
  sqrt: one((g, _, y) => div(mul(g, 0.5), y)),
  reciprocal: one((g, _, y) => neg(mul(g, f.square(y)))),
  tanh: one((g, _, y) => mul(g, sub(1, f.square(y)))),
  sigmoid: one((g, _, y) => mul(g, mul(y, sub(1, y)))),
  erf: one((g, x) => mul(g, mul(f.exp(neg(f.square(x))), 2 / Math.sqrt(Math.PI)))),
  softplus: one((g, x) => mul(g, f.sigmoid(x))),
  cos: one((g, x) => neg(mul(g, f.sin(x)))),
  sin: one((g, x) => mul(g, f.cos(x))),
  abs: one((g, x) => mul(g, f.sign(x))),
  sign: 'none',
  floor: 'none',
  relu: one((g, x) => mul(g, f.cast(f.greater(x, 0), g.dtype))),
  gelu: geluRule,
  silu: one((g, x) => {
    const gate = f.sigmoid(x);
    return mul(g, mul(gate, add(mul(x, sub(1, gate)), 1)));
  }),
  clip: one((g, x, _, node: NodeOf<'clip'>) => {
    const { low, high } = node.attributes;
    return mul(g, f.cast(f.and(f.greaterOrEqual(x, low), f.lessOrEqual(x, high)), g.dtype));
  }),
  cast: (node, g) => [isFloat(node.inputs[0]!.dtype) ? f.cast(g[0]!, node.inputs[0]!.dtype) : undefined],
  not: 'none',
  isNaN: 'none',

  add: two((g) => [() => g, () => g]),
  sub: two((g) => [() => g, () => neg(g)]),
  mul: two((g, a, b) => [() => mul(g, b), () => mul(g, a)]),
  div: two((g, _, b, y) => [() => div(g, b), () => neg(div(mul(g, y), b))]),
  // Zero to the power zero, and base zero: 0 as a limit, where 0 times infinity would be no number.
  pow: two((g, a, b, y) => {
    const known = f.uniformValue(b);
    const less = known === undefined ? f.where(f.equal(b, 0), 1, sub(b, 1)) : known === 0 ? 1 : sub(b, 1);
    return [() => mul(g, mul(b, f.pow(a, less))), () => mul(g, mul(y, f.log(f.where(f.equal(a, 0), 1, a))))];
  }),
  maximum: chooseRule(f.greater),
  minimum: chooseRule(f.less),
  equal: 'none',
  less: 'none',
  greater: 'none',
  lessOrEqual: 'none',
  greaterOrEqual: 'none',
  and: 'none',
  or: 'none',
  where: (node, g) => {
    const [condition, a, b] = node.inputs as [Tensor, Tensor, Tensor];
    return [undefined, sumTo(f.where(condition, g[0]!, 0), a.shape), sumTo(f.where(condition, 0, g[0]!), b.shape)];
  },

  matmul: (node, g) => {
    const [a, b] = node.inputs as [Tensor, Tensor];
    const { transposeA, transposeB, scale } = node.attributes;
    const d = g[0]!;
    const da = transposeA
      ? matmul(b, d, { transposeA: transposeB, transposeB: true, scale })
      : matmul(d, b, { transposeB: !transposeB, scale });
    const db = transposeB
      ? matmul(d, a, { transposeA: true, transposeB: transposeA, scale })
      : matmul(a, d, { transposeA: !transposeA, scale });
    return [sumTo(da, a.shape), sumTo(db, b.shape)];
  },
  linear: (node, g) => {
    const [x, weight] = node.inputs as [Tensor, Tensor];
    const { transposeWeight, hasBias } = node.attributes;
    const d = g[0]!;
    const rows = elementCount(x.shape.slice(0, -1));
    const flatX = reshape(x, [rows, x.shape.at(-1)!]);
    const flatD = reshape(d, [rows, d.shape.at(-1)!]);
    const dWeight = transposeWeight
      ? matmul(flatD, flatX, { transposeA: true })
      : matmul(flatX, flatD, { transposeA: true });
    const dx = linear(d, weight, undefined, { transposeWeight: !transposeWeight });
    return hasBias ? [dx, dWeight, sum(flatD, { axes: 0 })] : [dx, dWeight];
  },

  sum: (node, g) => [spread(g[0]!, node.inputs[0]!, node.attributes.axes)],
  mean: (node, g) => {
    const x = node.inputs[0]!;
    const count = node.attributes.axes.reduce((product, axis) => product * x.shape[axis]!, 1);
    return [spread(mul(g[0]!, 1 / count), x, node.attributes.axes)];
  },
  max: extremumRule,
  min: extremumRule,
  prod: prodRule,
  logSumExp: (node, g) => {
    const x = node.inputs[0]!;
    const { axes } = node.attributes;
    return [mul(restore(g[0]!, x, axes), f.exp(sub(x, restore(node.outputs[0]!, x, axes))))];
  },
  argMax: 'none',
  cumulativeSum: (node, g) => {
    const { axis, exclusive, reverse } = node.attributes;
    return [cumulativeSum(g[0]!, axis, { exclusive, reverse: !reverse })];
  },
  topK: (node, g) => {
    const x = node.inputs[0]!;
    return [
      g[0] === undefined
        ? undefined
        : scatterAddAlongAxis(f.zerosLike(x), node.outputs[1]!, g[0], node.attributes.axis),
    ];
  },

  softmax: one((g, _, y, node: NodeOf<'softmax'>) => {
    const { axis } = node.attributes;
    return mul(y, sub(g, sum(mul(g, y), { axes: axis, keepDims: true })));
  }),
  logSoftmax: one((g, _, y, node: NodeOf<'logSoftmax'>) => {
    const { axis } = node.attributes;
    return sub(g, mul(f.exp(y), sum(g, { axes: axis, keepDims: true })));
  }),
  crossEntropy: (node, g) => {
    const logits = node.inputs[0]!;
    const targets = expandDims(node.inputs[1]!, 1);
    const logProbabilities = node.outputs[1]!;
    let d: Tensor | undefined;
    if (g[0] !== undefined) {
      const weight = expandDims(g[0], 1);
      d = scatterAddAlongAxis(mul(f.exp(logProbabilities), weight), targets, neg(weight), 1);
    }
    if (g[1] !== undefined) {
      // The same slope as logSoftmax's; softmax(logits) and not exp, so that both parts share nothing they must not.
      const part = sub(g[1], mul(softmax(logits, 1), sum(g[1], { axes: 1, keepDims: true })));
      d = d === undefined ? part : add(d, part);
    }
    return [d, undefined];
  },

  layerNorm: layerNormRule,
  rmsNorm: rmsNormRule,

  reshape: (node, g) => [reshape(g[0]!, node.inputs[0]!.shape)],
  transpose: (node, g) => {
    const { permutation } = node.attributes;
    return [
      transpose(
        g[0]!,
        permutation.map((_, axis) => permutation.indexOf(axis)),
      ),
    ];
  },
  broadcast: (node, g) => [sumTo(g[0]!, node.inputs[0]!.shape)],
  concat: (node, g) => {
    let start = 0;
    return node.inputs.map((input) => {
      const size = input.shape[node.attributes.axis]!;
      return narrow(g[0]!, node.attributes.axis, start, (start += size));
    });
  },
  slice: (node, g) => {
    const { shape } = node.inputs[0]!;
    const { starts, ends, steps } = node.attributes;
    let d = g[0]!;
    if (steps.some((step) => step !== 1)) d = spreadSteps(d, steps);
    const widths = shape.map((size, axis) => {
      const covered = d.shape[axis]!;
      return [starts[axis]!, size - starts[axis]! - covered] as const;
    });
    // A stepped slice may end in a gap that reaches past the end; cut it before padding.
    const over = widths.map(([, after]) => Math.max(0, -after));
    if (over.some((count) => count > 0)) {
      d = slice(d, { starts: shape.map(() => 0), ends: d.shape.map((size, axis) => size - over[axis]!) });
    }
    if (ends.length === 0) return [d];
    return [
      pad(
        d,
        widths.map(([before, after]) => [before, Math.max(0, after)] as const),
      ),
    ];
  },
  split: (node, g) => [
    concat(
      node.outputs.map((output, i) => g[i] ?? f.zerosLike(output)),
      node.attributes.axis,
    ),
  ],
  pad: (node, g) => {
    const { shape } = node.inputs[0]!;
    const { before } = node.attributes;
    return [slice(g[0]!, { starts: before, ends: shape.map((size, axis) => before[axis]! + size) })];
  },

  gather: (node, g) => {
    const [data, indices] = node.inputs as [Tensor, Tensor];
    const { axis } = node.attributes;
    const rows = data.shape[axis]!;
    const rest = data.shape.toSpliced(axis, 1);
    const d = g[0]!;
    const rank = indices.rank;
    // Bring the gathered axes to the front: [indices..., rest...].
    const order = d.shape.map((_, i) => (i < rank ? axis + i : i - rank < axis ? i - rank : i));
    const updates = reshape(transpose(d, order), [elementCount(indices.shape), ...rest]);
    const summed = scatterAddRows(f.fill([rows, ...rest], 0, d.dtype), reshape(indices, [-1]), updates);
    const back = data.shape.map((_, i) => (i < axis ? i + 1 : i === axis ? 0 : i));
    return [transpose(summed, back), undefined];
  },
  scatterAddRows: (node, g) => [g[0]!, undefined, gather(g[0]!, node.inputs[1]!, 0)],
  takeAlongAxis: (node, g) => {
    const [data, indices] = node.inputs as [Tensor, Tensor];
    return [scatterAddAlongAxis(f.zerosLike(data), indices, g[0]!, node.attributes.axis), undefined];
  },
  scatterAddAlongAxis: (node, g) => [g[0]!, undefined, takeAlongAxis(g[0]!, node.inputs[1]!, node.attributes.axis)],

  rotary: (node, g) => {
    const [x, cos, sin] = node.inputs as [Tensor, Tensor, Tensor];
    const { interleaved } = node.attributes;
    const d = g[0]!;
    const isConstant = (table: Tensor): boolean =>
      table.node?.operator === 'constant' || table.node?.operator === 'input';
    const dx = rotary(d, cos, neg(sin), { interleaved });
    if (isConstant(cos) && isConstant(sin)) return [dx, undefined, undefined];
    const [x1, x2] = halves(x, interleaved);
    const [d1, d2] = halves(d, interleaved);
    return [dx, sumTo(add(mul(d1, x1), mul(d2, x2)), cos.shape), sumTo(sub(mul(d2, x1), mul(d1, x2)), sin.shape)];
  },
  matmulQuantised: () => {
    throw new FiducialError(
      'engine.no-derivative',
      'A product with quantised weights has no derivative here',
      'Open the checkpoint without quantisation to train or differentiate it.',
    );
  },

  identity: one((g) => g),
  stopGradient: 'none',
  custom: (node, g) => {
    const { rule, argumentCount } = node.attributes;
    const parts = customRule(rule)(node.inputs.slice(0, argumentCount), node.outputs, g);
    return [...parts, ...node.inputs.slice(argumentCount).map(() => undefined)];
  },
  barrier: (_, g) => [g[0], undefined],
};

/** The two members of each rotated pair, [..., width/2] each. */
function halves(x: Tensor, interleaved: boolean): [Tensor, Tensor] {
  const last = x.rank - 1;
  const half = x.shape[last]! / 2;
  if (!interleaved) return [narrow(x, last, 0, half), narrow(x, last, half, 2 * half)];
  const every = (start: number): Tensor => slice(x, { axes: [last], starts: [start], ends: [2 * half], steps: [2] });
  return [every(0), every(1)];
}

/** Puts step - 1 zeros behind each element, along every axis with a step. */
function spreadSteps(x: Tensor, steps: readonly number[]): Tensor {
  let out = x;
  steps.forEach((step, axis) => {
    if (step === 1) return;
    const wide = expandDims(out, axis + 1);
    const padded = pad(
      wide,
      wide.shape.map((_, i) => [0, i === axis + 1 ? step - 1 : 0] as const),
    );
    out = reshape(
      padded,
      out.shape.map((size, i) => (i === axis ? size * step : size)),
    );
  });
  return out;
}
