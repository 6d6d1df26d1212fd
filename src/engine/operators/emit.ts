/**
 * The one way a node is made: operands are brought into the current trace, the shape rule is applied, and an error
 * gets the caller's line. Two rewrites save work at once: reshape of a reshape, and a concrete scalar as a constant.
 */
import { FiducialError } from '../../core/errors.ts';
import { currentTrace, makeNode, type NodeOf, Tensor } from '../graph.ts';
import type { Attributes, OperatorName } from './attributes.ts';
import { shapeRules } from './shapes.ts';

/** Concrete arrays up to this size become constants of the graph; larger ones become inputs of it. */
const LARGEST_INLINE_ELEMENTS = 64;

/** Brings a concrete array into the current trace: a small one as a constant, a large one as a captured input. */
export function lift(value: Tensor, operator: string): Tensor {
  if (value.node !== undefined) return value;
  const trace = currentTrace(operator);
  const storage = value.storage!;
  storage.requireAlive(value.toString());
  const known = trace.captured.get(value);
  if (known !== undefined) return known;
  const { shape, dtype } = value;
  if (value.size <= LARGEST_INLINE_ELEMENTS && storage.host !== undefined) {
    const data = storage.host.slice();
    const constant = makeNode('constant', { data, shape, dtype }, [], [{ shape, dtype }]).outputs[0]!;
    trace.captured.set(value, constant);
    return constant;
  }
  const input = makeNode('input', { slot: -1 }, [], [{ shape, dtype }]).outputs[0]!;
  trace.captured.set(value, input);
  return input;
}

/** Makes a node and returns it. Shape and type errors name the operator, its operands and the caller's line. */
export function emit<K extends OperatorName>(
  operator: K,
  operands: readonly Tensor[],
  attributes: Attributes<K>,
): NodeOf<K> {
  const trace = currentTrace(operator);
  const inputs = operands.map((operand) => lift(operand, operator));
  try {
    const specs = shapeRules[operator](inputs, attributes, operator);
    return makeNode(operator, attributes, inputs, specs, trace.keepsOrigins ? deepOrigin(operator) : undefined);
  } catch (error) {
    if (error instanceof FiducialError) {
      const line = callerLine();
      throw new FiducialError(
        error.code,
        line === undefined ? error.message : `${error.message} (${line})`,
        error.hint,
        { cause: error },
      );
    }
    throw error;
  }
}

/** Shorthand for the single result of an operator. */
export function emitOne<K extends OperatorName>(
  operator: K,
  operands: readonly Tensor[],
  attributes: Attributes<K>,
): Tensor {
  return emit(operator, operands, attributes).outputs[0]!;
}

const engineFolder = new URL('..', import.meta.url).href;

/** The first line of a stack outside the engine, `at name (file:line:column)`; of the present stack by default. */
export function callerLine(stack: string | undefined = deepStack()): string | undefined {
  const lines = (stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  const folderPath = engineFolder.replace(/^file:\/\//, '');
  const isInside = (line: string): boolean =>
    (line.includes(folderPath) && !/\.test\.[jt]s/.test(line)) ||
    line.includes('node:internal') ||
    line.endsWith('(<anonymous>)');
  return lines.find((line) => !isInside(line))?.trim();
}

function deepOrigin(operator: string): Error {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 60;
  const origin = new Error(operator);
  Error.stackTraceLimit = limit;
  return origin;
}

/** The present stack, deep enough to reach past the engine's own frames. */
function deepStack(): string | undefined {
  return deepOrigin('where').stack;
}
