/**
 * Functions that steer differentiation: stop it, replace its rule, or recompute instead of remembering.
 */
import { keepRule } from '../derivatives/custom.ts';
import { cotangents } from '../differentiate.ts';
import { elementCount, makeNode, type Node, reachable, type Tensor } from '../graph.ts';
import { emit, emitOne, lift } from '../operators/emit.ts';
import { concat, narrow, reshape } from './movement.ts';

/** The same value, as a constant to every derivative. */
export const stopGradient = (x: Tensor): Tensor => emitOne('stopGradient', [x], {});

/** The same value under another node, so that a tap or a derivative can tell it from other uses. */
export const identity = (x: Tensor): Tensor => emitOne('identity', [x], {});

/**
 * A function with a derivative of its own, for estimators that are no derivative (straight-through, reversed).
 *
 * @param fn from tensors to a tensor
 * @param rule from the arguments, the result and its cotangent to the cotangents of the arguments (undefined for zero)
 *
 * @example
 * const roundStraightThrough = customDerivative((x) => floor(add(x, 0.5)), (_, __, g) => [g]);
 */
export function customDerivative(
  fn: (...args: Tensor[]) => Tensor,
  rule: (args: readonly Tensor[], result: Tensor, cotangent: Tensor) => readonly (Tensor | undefined)[],
): (...args: Tensor[]) => Tensor {
  const key = keepRule((args, results, g) => rule(args, results[0]!, g[0]!));
  return (...args) => emitOne('custom', [...args, fn(...args)], { rule: key, argumentCount: args.length });
}

/**
 * Computes `fn` now and again during the backward pass instead of keeping what lies between: memory for time.
 * Values that `fn` closes over get their derivatives as well.
 * Source: Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost".
 *
 * @example const hidden = checkpoint((x) => block(weights, x))(x);
 */
export function checkpoint(fn: (...args: Tensor[]) => Tensor): (...args: Tensor[]) => Tensor {
  return (...args) => {
    // Fresh nodes mark where the recomputed part begins; everything older is read from outside.
    const entries = args.map((arg) => identity(lift(arg, 'checkpoint')));
    const begin = Math.min(...entries.map((entry) => entry.node!.id));
    const result = fn(...entries);
    const inside = reachable([result]).filter(
      (node) => node.id > begin && !entries.includes(node.outputs[0]!) && !isLeaf(node),
    );
    const outside = boundary(inside, entries);
    const rule = keepRule((boundaryValues, _, g) => {
      const delayed = delay(boundaryValues, g[0]!);
      const replayed = replay(inside, new Map(outside.map((value, i) => [value, delayed[i]!])));
      return weightsFirst(cotangents([replayed.get(result) ?? result], g, delayed), boundaryValues);
    });
    return emit('custom', [...outside, result], { rule, argumentCount: outside.length }).outputs[0]!;
  };
}

const isLeaf = (node: Node): boolean =>
  node.operator === 'input' || node.operator === 'constant' || node.operator === 'fill';

/** What the inner nodes read and do not make, entries first. */
function boundary(inside: readonly Node[], entries: readonly Tensor[]): Tensor[] {
  const made = new Set<Node>(inside);
  const found = new Set<Tensor>(entries);
  for (const node of inside) {
    for (const input of node.inputs) {
      if (!made.has(input.node!) && input.node!.operator !== 'constant' && input.node!.operator !== 'fill')
        found.add(input);
    }
  }
  return [...found];
}

/**
 * The values behind barriers that open when the cotangent is there: the runtime would otherwise merge the second
 * computation with the first, and so keep everything. Weights are inputs of the graph and stay as they are (a barrier
 * copies), unless there is nothing else to hold back.
 */
function delay(values: readonly Tensor[], ticket: Tensor): Tensor[] {
  const isComputed = values.map((value) => !isLeaf(root(value)));
  const none = !isComputed.includes(true);
  return values.map((value, i) =>
    (isComputed[i] === true || none) && elementCount(value.shape) > 0
      ? emitOne('barrier', [value, ticket], {})
      : identity(value),
  );
}

/**
 * Lets the cotangents of computed values go on only when those of weights are there: the runtime would otherwise put
 * off weight gradients to the end, and keep what was recomputed for them until then.
 */
function weightsFirst(parts: readonly (Tensor | undefined)[], values: readonly Tensor[]): (Tensor | undefined)[] {
  const isWeight = values.map((value) => isLeaf(root(value)));
  const tickets = parts.filter((part, i) => isWeight[i] === true && part !== undefined && part.size > 0) as Tensor[];
  if (tickets.length === 0) return [...parts];
  const ticket = concat(tickets.map((part) => narrow(reshape(part, [-1]), 0, 0, 1)));
  return parts.map((part, i) =>
    part === undefined || isWeight[i] === true || part.size === 0 ? part : after(part, ticket),
  );
}

/**
 * `value`, but not before `ticket` has been computed: a copy that the runtime's optimiser can't see through. For
 * memory and for updates in place, where the order of independent operations matters.
 */
export const after = (value: Tensor, ticket: Tensor): Tensor => emitOne('barrier', [value, ticket], {});

/** The node behind any identities. */
function root(value: Tensor): Node {
  let node = value.node!;
  while (node.operator === 'identity' || node.operator === 'stopGradient') node = node.inputs[0]!.node!;
  return node;
}

/** The same nodes again over other boundary values. */
function replay(nodes: readonly Node[], replaced: Map<Tensor, Tensor>): Map<Tensor, Tensor> {
  for (const node of nodes) {
    const inputs = node.inputs.map((input) => replaced.get(input) ?? input);
    const copy = makeNode(node.operator, node.attributes, inputs, node.outputs, node.origin);
    node.outputs.forEach((output, i) => replaced.set(output, copy.outputs[i]!));
  }
  return replaced;
}
