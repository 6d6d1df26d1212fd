/**
 * Tensors, and the traced graph of nodes that make them. Small on purpose: ONNX is one lowering of this graph, the
 * float64 interpreter another, and a verifier can walk it.
 *
 * A tensor is concrete (it has values) or traced (a node makes it). Both are one type, so that a function can be
 * written once and called on either side of {@link compile}. Nodes are numbered as they are made and read only older
 * ones, so ascending numbers are a topological order.
 */
import { FiducialError, show } from '../core/errors.ts';
import { bytesPerElement, type Data, dataFrom, type DataOf, type DType, holds, toFloat64 } from './dtype.ts';
import type { Attributes, OperatorName } from './operators/attributes.ts';
import { type FileRegion, Storage } from './storage.ts';

export type Shape = readonly number[];

/** Shape and element type of one value. */
export interface Spec {
  readonly shape: Shape;
  readonly dtype: DType;
}

export interface NodeOf<K extends OperatorName> {
  readonly id: number;
  readonly operator: K;
  readonly attributes: Attributes<K>;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  /** Where the caller made it; kept only while {@link Trace.keepsOrigins}. */
  readonly origin: Error | undefined;
}

export type Node = { [K in OperatorName]: NodeOf<K> }[OperatorName];

export class Tensor implements Spec {
  readonly shape: Shape;
  readonly dtype: DType;
  /** The node that makes a traced tensor, and which of its outputs this is. Internal. */
  readonly node: Node | undefined;
  readonly outputIndex: number;
  /** The values of a concrete tensor. Internal. */
  readonly storage: Storage | undefined;
  #text: string | undefined;

  constructor(spec: Spec, source: { node: Node; outputIndex: number } | Storage) {
    this.shape = spec.shape;
    this.dtype = spec.dtype;
    if (source instanceof Storage) {
      this.storage = source;
      this.node = undefined;
      this.outputIndex = 0;
    } else {
      this.storage = undefined;
      this.node = source.node;
      this.outputIndex = source.outputIndex;
    }
  }

  /** Number of elements. */
  get size(): number {
    return elementCount(this.shape);
  }

  get rank(): number {
    return this.shape.length;
  }

  get byteLength(): number {
    return this.size * bytesPerElement(this.dtype);
  }

  /**
   * The values of a concrete array in JavaScript memory, in row-major order, not copied. Throws `engine.traced` for a
   * traced tensor, `engine.disposed` after dispose, `engine.not-on-host` for arrays on a device or in a file.
   */
  get data(): Data {
    const storage = this.#concrete('data');
    if (storage.host === undefined) {
      throw new FiducialError(
        'engine.not-on-host',
        `${this.toString()} lies ${storage.file === undefined ? `on ${storage.device}` : `in ${storage.file.path}`}`,
        'Bring it to the host first: await toHost(array).',
      );
    }
    return storage.host;
  }

  /** The values as float64, copied. */
  toFloat64(): Float64Array {
    return toFloat64(this.dtype, this.data);
  }

  /** The single value of an array of one element. */
  item(): number {
    if (this.size !== 1) {
      throw new FiducialError(
        'engine.shape',
        `item() of ${this.toString()}`,
        'Only an array of one element has one value.',
      );
    }
    return this.toFloat64()[0]!;
  }

  /** Frees the values now instead of when they are garbage. Using the array afterwards throws `engine.disposed`. */
  dispose(): void {
    this.#concrete('dispose').release('it was disposed');
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  toString(): string {
    // Kept, because every call of a compiled function finds its program by these texts.
    return (this.#text ??= `${this.dtype}[${this.shape.join(', ')}]`);
  }

  #concrete(verb: string): Storage {
    if (this.storage === undefined) {
      throw new FiducialError(
        'engine.traced',
        `${verb}: ${this.toString()} is traced and has no values yet`,
        'Return it from the compiled function and read the result.',
      );
    }
    this.storage.requireAlive(this.toString());
    return this.storage;
  }
}

export const elementCount = (shape: Shape): number => {
  let product = 1;
  for (const size of shape) product *= size;
  return product;
};

export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((size, i) => size === b[i]);

type Nested = number | boolean | bigint | readonly Nested[];

/**
 * A concrete array from numbers, nested lists or a typed array (which is used as it is, not copied).
 *
 * @example
 * tensor([[1, 2], [3, 4]]); // float32[2, 2]
 * tensor(new Int32Array(6), { shape: [2, 3], dtype: 'int32' });
 */
export function tensor(
  values: Nested | Data | Float64Array,
  options: { readonly shape?: Shape; readonly dtype?: DType } = {},
): Tensor {
  let flat: ArrayLike<number | boolean | bigint>;
  let shape: Shape;
  if (ArrayBuffer.isView(values)) {
    flat = values;
    shape = [flat.length];
  } else {
    const out: (number | boolean | bigint)[] = [];
    shape = flatten(values, out, 0);
    flat = out;
  }
  const dtype = options.dtype ?? naturalDType(values, flat);
  if (options.shape !== undefined) {
    if (elementCount(options.shape) !== flat.length) {
      throw new FiducialError(
        'engine.shape',
        `${flat.length} values do not fill the shape [${options.shape.join(', ')}]`,
        'Pass as many values as the shape has elements.',
      );
    }
    shape = [...options.shape];
  }
  const isReady = ArrayBuffer.isView(flat) && !(flat instanceof Float64Array) && holds(dtype, flat as Data);
  return fromData(isReady ? (flat as Data) : dataFrom(dtype, flat), shape, dtype);
}

function naturalDType(values: unknown, flat: ArrayLike<unknown>): DType {
  if (values instanceof Int32Array) return 'int32';
  if (values instanceof BigInt64Array) return 'int64';
  if (values instanceof Uint8Array) return 'uint8';
  if (values instanceof Int8Array) return 'int8';
  const first = flat[0];
  return typeof first === 'boolean' ? 'bool' : typeof first === 'bigint' ? 'int64' : 'float32';
}

function flatten(values: Nested, out: (number | boolean | bigint)[], depth: number): number[] {
  if (!Array.isArray(values)) {
    out.push(values as number);
    return [];
  }
  let inner: number[] | undefined;
  for (const value of values as readonly Nested[]) {
    const shape = flatten(value, out, depth + 1);
    if (inner !== undefined && !sameShape(inner, shape)) {
      throw new FiducialError(
        'engine.shape',
        `Rows of unequal shape at depth ${depth}: [${inner.join(', ')}] and [${shape.join(', ')}] in ${show(values)}`,
        'Make every row as long as the first, or pad.',
      );
    }
    inner = shape;
  }
  return [values.length, ...(inner ?? [])];
}

/** A concrete array over `data`, without a copy. */
export function fromData<D extends DType>(data: DataOf[D], shape: Shape, dtype: D): Tensor {
  return new Tensor({ shape: [...shape], dtype }, new Storage({ host: data, device: 'cpu' }));
}

/** A concrete array whose values stay in a file; compiled functions read them by reference. */
export function fromFile(file: FileRegion, shape: Shape, dtype: DType): Tensor {
  const needed = elementCount(shape) * bytesPerElement(dtype);
  if (needed !== file.byteLength) {
    throw new FiducialError(
      'engine.shape',
      `${file.path}: ${file.byteLength} bytes at ${file.byteOffset} do not hold ${dtype}[${shape.join(', ')}], which takes ${needed}`,
      'Check the header of the file.',
    );
  }
  return new Tensor({ shape: [...shape], dtype }, new Storage({ file, device: 'cpu' }));
}

/** Zeros, or `value` everywhere, as a concrete array. */
export function full(shape: Shape, value: number, dtype: DType = 'float32'): Tensor {
  const cell = dataFrom(dtype, [value]);
  const data = new (cell.constructor as new (length: number) => Data)(elementCount(shape));
  if (value !== 0) (data as { fill(value: unknown): unknown }).fill(cell[0]);
  return fromData(data, shape, dtype);
}

/** What is under way while a function is traced. */
export interface Trace {
  /** Concrete arrays that the traced function closed over, with the traced input that stands for each. */
  readonly captured: Map<Tensor, Tensor>;
  /** Remember the caller's line with every node: slower, and only the non-finite check asks for it. */
  readonly keepsOrigins: boolean;
}

const traces: Trace[] = [];
let nextId = 1;

/** Runs `body` while its operations are recorded into `trace`. */
export function withTrace<T>(trace: Trace, body: () => T): T {
  traces.push(trace);
  try {
    return body();
  } finally {
    traces.pop();
  }
}

/** The innermost trace, or an error that says how to come by one. */
export function currentTrace(operator: string): Trace {
  const trace = traces.at(-1);
  if (trace === undefined) {
    throw new FiducialError(
      'engine.not-traced',
      `${operator} was called outside a traced function`,
      'Call it inside a function given to compile() or evaluate().',
    );
  }
  return trace;
}

export const isTracing = (): boolean => traces.length > 0;

/** Makes a node with outputs of these shapes and types; {@link emit} (operators/emit.ts) works them out. */
export function makeNode<K extends OperatorName>(
  operator: K,
  attributes: Attributes<K>,
  inputs: readonly Tensor[],
  specs: readonly Spec[],
  origin?: Error,
): NodeOf<K> {
  const outputs: Tensor[] = [];
  const node: NodeOf<K> = { id: nextId++, operator, attributes, inputs, outputs, origin };
  for (let i = 0; i < specs.length; i++) {
    outputs.push(new Tensor(specs[i]!, { node: node as unknown as Node, outputIndex: i }));
  }
  return node;
}

/** The nodes that `outputs` need, oldest first. */
export function reachable(outputs: readonly Tensor[]): Node[] {
  const seen = new Set<Node>();
  const stack: Node[] = [];
  const visit = (tensor: Tensor): void => {
    const { node } = tensor;
    if (node !== undefined && !seen.has(node)) {
      seen.add(node);
      stack.push(node);
    }
  };
  for (const output of outputs) visit(output);
  while (stack.length > 0) {
    for (const input of stack.pop()!.inputs) visit(input);
  }
  return [...seen].sort((a, b) => a.id - b.id);
}
