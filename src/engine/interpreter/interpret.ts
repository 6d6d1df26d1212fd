/**
 * A plain float64 interpreter of the traced graph: each node in turn, by its definition. It is the oracle that the
 * compiled engine is tested against, and shares no code with the lowering. Nothing is rounded to float32, a cast to
 * float16 rounds, whole numbers are exact to 2^53 and do not wrap. Slow: meant for thousands of elements at most.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { FiducialError, show } from '../../core/errors.ts';
import { toFloat64, viewData } from '../dtype.ts';
import { makeNode, type Node, reachable, type Spec, Tensor, type Trace, withTrace } from '../graph.ts';
import { lift } from '../operators/emit.ts';
import { rebuild, visit } from '../tree.ts';
import { interpreterRules } from './rules.ts';
import { type Rule, Value } from './value.ts';

/** Where a traced function takes tensors, an interpreted one takes arrays or float64 values. */
export type Given<T> = T extends Tensor
  ? Tensor | Value
  : T extends object
    ? { readonly [K in keyof T]: Given<T[K]> }
    : T;

/** Where a traced function returns tensors, an interpreted one returns float64 values. */
export type Interpreted<R> = R extends Tensor
  ? Value
  : R extends object
    ? { readonly [K in keyof R]: Interpreted<R[K]> }
    : R;

/** A traced graph that can be run in float64 again and again, for arguments of the same shapes. */
export interface Interpretation<A extends readonly unknown[], R> {
  readonly nodes: readonly Node[];
  run(args: { readonly [K in keyof A]: Given<A[K]> }): Interpreted<R>;
}

/**
 * Runs `fn`, a function as {@link compile} takes it, in float64.
 *
 * @example
 * const y = interpret((x: Tensor) => exp(x), [new Value([2], 'float32', [0, 1])]);
 * y.values; // Float64Array [1, 2.718281828459045]
 */
export function interpret<A extends readonly unknown[], R>(
  fn: (...args: A) => R,
  args: { readonly [K in keyof A]: Given<A[K]> },
): Interpreted<R> {
  return interpretation(fn, args).run(args);
}

/** Traces `fn` for these arguments' shapes, to be run several times. */
export function interpretation<A extends readonly unknown[], R>(
  fn: (...args: A) => R,
  args: { readonly [K in keyof A]: Given<A[K]> },
): Interpretation<A, R> {
  const trace: Trace = { captured: new Map(), keepsOrigins: false };
  const inputs: Tensor[] = [];
  const tracedArgs: unknown = rebuild(args, '', (leaf) => {
    if (!isArray(leaf)) return leaf;
    const { shape, dtype }: Spec = typeof leaf === 'number' ? { shape: [], dtype: 'float32' } : leaf;
    const input = makeNode('input', { slot: inputs.length }, [], [{ shape, dtype }]).outputs[0]!;
    inputs.push(input);
    return input;
  });
  let result: unknown;
  const outputs = withTrace(trace, () => {
    const found: Tensor[] = [];
    result = rebuild(fn(...(tracedArgs as A)), '', (leaf) =>
      leaf instanceof Tensor ? new Slot(found.push(lift(leaf, 'return')) - 1) : leaf,
    );
    return found;
  });
  const nodes = reachable(outputs);
  return {
    nodes,
    run: (given) => {
      const known = new Map<Tensor, Value>();
      visit(given, '', (leaf) => {
        if (isArray(leaf)) known.set(inputs[known.size]!, valueOf(leaf));
      });
      if (known.size !== inputs.length) {
        throw new FiducialError(
          'engine.tree',
          `${known.size} arrays for a function traced with ${inputs.length}`,
          'Pass arguments of the form that it was traced with.',
        );
      }
      for (const [concrete, traced] of trace.captured) known.set(traced, valueOf(concrete));
      for (const node of nodes) evaluateNode(node, known);
      return rebuild(result, '', (leaf) =>
        leaf instanceof Slot ? known.get(outputs[leaf.index]!)! : leaf,
      ) as Interpreted<R>;
    },
  };
}

class Slot {
  readonly index: number;
  constructor(index: number) {
    this.index = index;
  }
}

const isArray = (leaf: unknown): leaf is Tensor | Value | number =>
  leaf instanceof Tensor || leaf instanceof Value || typeof leaf === 'number';

function evaluateNode(node: Node, known: Map<Tensor, Value>): void {
  if (node.outputs.every((output) => known.has(output))) return;
  if (node.operator === 'input') {
    throw new FiducialError(
      'engine.leaked',
      `${String(node.outputs[0])} belongs to another traced function`,
      'Pass it as an argument.',
    );
  }
  const rule = interpreterRules[node.operator] as Rule<Node['operator']>;
  const inputs = node.inputs.map((input) => known.get(input)!);
  const results = rule(inputs, node.attributes, node.outputs);
  node.outputs.forEach((output, i) => known.set(output, new Value(output.shape, output.dtype, results[i]!)));
}

/** The numbers of a concrete array, read from its file where it lies in one. */
function valueOf(array: Tensor | Value | number): Value {
  if (typeof array === 'number') return new Value([], 'float32', [array]);
  if (array instanceof Value) return array;
  const file = array.storage?.file;
  if (file === undefined) return new Value(array.shape, array.dtype, array.toFloat64());
  const bytes = new Uint8Array(file.byteLength);
  const handle = openSync(file.path, 'r');
  try {
    const read = readSync(handle, bytes, 0, file.byteLength, file.byteOffset);
    if (read !== file.byteLength) {
      throw new FiducialError(
        'engine.file',
        `${show(file.path)} gave ${read} bytes of ${file.byteLength}`,
        'Fetch it again.',
      );
    }
  } finally {
    closeSync(handle);
  }
  return new Value(
    array.shape,
    array.dtype,
    toFloat64(array.dtype, viewData(array.dtype, bytes.buffer, 0, array.size)),
  );
}
