/**
 * Reverse-mode differentiation of the traced graph: walks from a value back to what it depends on and adds the
 * backward operations to the same graph. Since they are operations like any other, gradients of gradients compose.
 * Source: Griewank and Walther, "Evaluating Derivatives", 2nd edition, chapter 3.
 */
import { FiducialError } from '../core/errors.ts';
import { derivativeRules, type DerivativeRule } from './derivatives/rules.ts';
import { isFloat } from './dtype.ts';
import { add, onesLike, uniformValue, zerosLike } from './functions/elementwise.ts';
import { scatterAddRows } from './functions/indexing.ts';
import { type Node, reachable, sameShape, type Tensor } from './graph.ts';
import { emitOne } from './operators/emit.ts';
import { mapTree, type Tree, treeLeaves } from './tree.ts';

/**
 * Cotangents of `sources` given those of `targets`; undefined where no derivative reaches a source.
 * Internal: callers want {@link grad} or {@link vectorJacobian}.
 */
export function cotangents(
  targets: readonly Tensor[],
  seeds: readonly (Tensor | undefined)[],
  sources: readonly Tensor[],
): (Tensor | undefined)[] {
  const nodes = reachable(targets);
  const depends = dependents(nodes, sources);
  const known = new Map<Tensor, Tensor>();
  const give = (tensor: Tensor, part: Tensor): void => {
    const before = known.get(tensor);
    known.set(tensor, before === undefined ? part : accumulate(before, part));
  };
  targets.forEach((target, i) => {
    const seed = seeds[i];
    if (seed !== undefined) give(target, seed);
  });
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i]!;
    if (!depends.has(node)) continue;
    const g = node.outputs.map((output) => known.get(output));
    if (g.every((part) => part === undefined)) continue;
    const rule = derivativeRules[node.operator] as DerivativeRule<Node['operator']>;
    if (rule === 'none') continue;
    const parts = rule(node, g);
    node.inputs.forEach((input, index) => {
      const part = parts[index];
      if (part === undefined || !isFloat(input.dtype)) return;
      if (input.node !== undefined && (depends.has(input.node) || sources.includes(input))) {
        if (!sameShape(part.shape, input.shape)) {
          throw new Error(
            `derivative of ${node.operator}: [${part.shape.join(', ')}] for an operand [${input.shape.join(', ')}]`,
          );
        }
        give(input, part);
      }
    });
  }
  return sources.map((source) => known.get(source));
}

/** Adding onto a scatter into zeros is a scatter into the other operand: no second pass over a large table. */
function accumulate(a: Tensor, b: Tensor): Tensor {
  for (const [scatter, other] of [
    [b, a],
    [a, b],
  ] as const) {
    const { node } = scatter;
    if (node?.operator === 'scatterAddRows' && uniformValue(node.inputs[0]!) === 0) {
      return scatterAddRows(other, node.inputs[1]!, node.inputs[2]!);
    }
  }
  return add(a, b);
}

/** The nodes whose value depends on one of `sources` by a path that derivatives take. */
function dependents(nodes: readonly Node[], sources: readonly Tensor[]): Set<Node> {
  const isSource = new Set<Tensor>(sources);
  const depends = new Set<Node>();
  for (const node of nodes) {
    if (node.outputs.some((output) => isSource.has(output))) depends.add(node);
    else if (
      derivativeRules[node.operator] !== 'none' &&
      node.inputs.some((input) => isFloat(input.dtype) && (isSource.has(input) || depends.has(input.node!)))
    ) {
      depends.add(node);
    }
  }
  return depends;
}

/** A fresh tensor equal to `x`: what is differentiated by, so that other uses of `x` count as constants. */
const asVariable = (x: Tensor): Tensor => (isFloat(x.dtype) ? emitOne('identity', [x], {}) : x);

/**
 * Turns a function with a scalar result into one that gives the value and its gradient by the first argument (a
 * tensor or a tree of them; integers in it get zeros). With `aux`, the function returns [loss, aux] and the value is
 * that pair.
 *
 * @example
 * const step = compile((weights: Tensor, x: Tensor) => valueAndGrad((w: Tensor) => mean(square(matmul(x, w))))(weights));
 */
export function valueAndGrad<P extends Tree, A extends readonly unknown[]>(
  fn: (parameters: P, ...rest: A) => Tensor,
): (parameters: P, ...rest: A) => { value: Tensor; gradient: P } {
  return (parameters, ...rest) => {
    const { value, gradient } = valueAndGradWithAux<P, A, null>((p, ...r) => ({ loss: fn(p, ...r), aux: null }))(
      parameters,
      ...rest,
    );
    return { value, gradient };
  };
}

/** As {@link valueAndGrad}, for a function that returns its loss and something else beside it. */
export function valueAndGradWithAux<P extends Tree, A extends readonly unknown[], X>(
  fn: (parameters: P, ...rest: A) => { loss: Tensor; aux: X },
): (parameters: P, ...rest: A) => { value: Tensor; aux: X; gradient: P } {
  return (parameters, ...rest) => {
    const variables = mapTree(parameters, asVariable) as P;
    const { loss, aux } = fn(variables, ...rest);
    if (loss.size !== 1 || !isFloat(loss.dtype)) {
      throw new FiducialError(
        'engine.shape',
        `grad: the function returned ${loss.toString()}`,
        'Return one number: take sum() or mean() of it.',
      );
    }
    const leaves = treeLeaves(variables);
    const parts = cotangents([loss], [onesLike(loss)], leaves);
    const found = new Map(leaves.map((leaf, i) => [leaf, parts[i] ?? zerosLike(leaf)]));
    return { value: loss, aux, gradient: mapTree(variables, (leaf) => found.get(leaf)!) as P };
  };
}

/** The gradient alone; see {@link valueAndGrad}. */
export function grad<P extends Tree, A extends readonly unknown[]>(
  fn: (parameters: P, ...rest: A) => Tensor,
): (parameters: P, ...rest: A) => P {
  const both = valueAndGrad(fn);
  return (parameters, ...rest) => both(parameters, ...rest).gradient;
}

/**
 * The product of a cotangent with the Jacobian of `fn` at `x`, for results that are not scalars.
 * @returns value `fn(x)`, and `pull`, which takes a cotangent of the value's shape to one of x's
 */
export function vectorJacobian(
  fn: (x: Tensor) => Tensor,
  x: Tensor,
): { value: Tensor; pull: (cotangent: Tensor) => Tensor } {
  const variable = asVariable(x);
  const value = fn(variable);
  return { value, pull: (cotangent) => cotangents([value], [cotangent], [variable])[0] ?? zerosLike(variable) };
}

/** Gradients of a scalar by tensors that it was computed from, wherever they stand in the traced graph. */
export function gradientsOf(loss: Tensor, tensors: readonly Tensor[]): Tensor[] {
  if (loss.size !== 1) {
    throw new FiducialError(
      'engine.shape',
      `gradientsOf: ${loss.toString()} is not one number`,
      'Take sum() or mean() of it.',
    );
  }
  return cotangents([loss], [onesLike(loss)], tensors).map((part, i) => part ?? zerosLike(tensors[i]!));
}
