/**
 * The engine's face: pure functions over trees of tensors, traced once a set of shapes and run by ONNX Runtime.
 */
import { open } from 'node:fs/promises';
import { FiducialError, show } from '../core/errors.ts';
import { makeData, viewData } from './dtype.ts';
import { elementCount, fromData, isTracing, Tensor, tensor } from './graph.ts';
import { Program } from './program.ts';
import { configureEngine } from './runtime.ts';
import { rebuild, visit } from './tree.ts';

export interface CompileOptions {
  /** Shown in errors and in {@link heldSessions}; the function's name by default. */
  readonly label?: string;
  /** `cpu` (the default of {@link configureEngine}), `webgpu`, or another device of the runtime. */
  readonly device?: string;
  /**
   * Positions of arguments whose arrays may be overwritten: results of the same shape and type take over their
   * buffers, and the arrays passed in can't be used afterwards.
   */
  readonly donate?: readonly number[];
  /** Copy matrix weights into the kernels' layout: faster runs, more memory. On by default. */
  readonly prepack?: boolean;
  /** Look for values that are not finite after every operator and name the first that made one. Slow. */
  readonly checkFinite?: boolean;
  /** Results stay on the device. */
  readonly keepOnDevice?: boolean;
}

/** Programs kept a function; the one unused longest goes first. */
const MAX_PROGRAMS = 256;

export interface Compiled<A extends readonly unknown[], R> {
  (...args: A): Promise<R>;
  /** The program for these arguments, traced if need be: its ONNX bytes, nodes, estimated memory, donation. */
  program(...args: A): Program;
}

/**
 * Compiles `fn`, a pure function over tensors and trees of them. It is traced when it first meets a set of shapes;
 * later calls with the same shapes run the session. Numbers among the arguments are float32 scalars of the graph;
 * strings and booleans are constants, and another value traces again.
 *
 * Arrays that `fn` closes over are read at each call, except that those of 64 elements or fewer are copied into the
 * graph when it is traced.
 *
 * @example
 * const product = compile((a: Tensor, b: Tensor) => matmul(a, b));
 * const c = await product(tensor([[1, 2]]), tensor([[3], [4]]));
 * c.data; // Float32Array [11]
 */
export function compile<A extends readonly unknown[], R>(
  fn: (...args: A) => R,
  options: CompileOptions = {},
): Compiled<A, R> {
  const label = options.label ?? (fn.name === '' ? 'compiled function' : fn.name);
  const programs = new Map<string, { program: Program; result: unknown }>();

  const prepare = (args: A): { program: Program; result: unknown; leaves: Tensor[] } => {
    if (isTracing()) {
      throw new FiducialError(
        'engine.traced',
        `${label} is compiled, and was called while another function is traced`,
        'Call the plain function there.',
      );
    }
    const device = options.device ?? configureEngine().device;
    const { leaves, key, argumentOf } = flattenArguments(label, args);
    const fullKey = `${device};${key}`;
    let entry = programs.get(fullKey);
    if (entry === undefined) {
      const donated = new Set<number>();
      const seen = new Set<Tensor>();
      leaves.forEach((leaf, i) => {
        if (options.donate?.includes(argumentOf[i]!) !== true) return;
        if (seen.has(leaf))
          throw new FiducialError(
            'engine.donate',
            `${label}: the same array is donated twice`,
            'Pass a copy for one of them.',
          );
        seen.add(leaf);
        donated.add(i);
      });
      let result: unknown;
      const specs = leaves.map(({ shape, dtype, storage }) => ({ shape, dtype, file: storage!.file }));
      const program = new Program(
        specs,
        donated,
        (traced) => {
          let at = 0;
          const tracedArgs = args.map((arg) => rebuild(arg, '', (leaf) => (isLeaf(leaf) ? traced[at++]! : leaf)));
          result = fn(...(tracedArgs as unknown as A));
          const outputs: Tensor[] = [];
          result = rebuild(result, '', (leaf) => (leaf instanceof Tensor ? new Slot(outputs.push(leaf) - 1) : leaf));
          return outputs;
        },
        {
          label,
          device,
          prepack: options.prepack ?? true,
          checkFinite: options.checkFinite ?? false,
          keepOnDevice: options.keepOnDevice ?? false,
        },
      );
      entry = { program, result };
    } else programs.delete(fullKey);
    programs.set(fullKey, entry);
    if (programs.size > MAX_PROGRAMS) programs.delete(programs.keys().next().value!);
    return { ...entry, leaves };
  };

  const compiled = async (...args: A): Promise<R> => {
    const { program, result, leaves } = prepare(args);
    const outputs = await program.run(leaves);
    return rebuild(result, '', (leaf) => (leaf instanceof Slot ? outputs[leaf.index]! : leaf)) as R;
  };
  return Object.assign(compiled, { program: (...args: A) => prepare(args).program });
}

/** Traces and runs `fn` once. */
export async function evaluate<R>(fn: () => R, options: CompileOptions = {}): Promise<R> {
  return compile(fn, options)();
}

/** Where an output stands in the tree that the function returned. */
class Slot {
  readonly index: number;
  constructor(index: number) {
    this.index = index;
  }
}

const isLeaf = (leaf: unknown): boolean => leaf instanceof Tensor || typeof leaf === 'number';

function flattenArguments(
  label: string,
  args: readonly unknown[],
): { leaves: Tensor[]; key: string; argumentOf: number[] } {
  const leaves: Tensor[] = [];
  const argumentOf: number[] = [];
  let key = '';
  args.forEach((arg, position) => {
    visit(arg, '', (leaf, path) => {
      if (leaf instanceof Tensor || typeof leaf === 'number') {
        const array = typeof leaf === 'number' ? tensor(leaf) : leaf;
        if (array.storage === undefined) {
          throw new FiducialError(
            'engine.traced',
            `${label}: argument ${position}${path && `.${path}`} is traced`,
            'Pass concrete arrays.',
          );
        }
        leaves.push(array);
        argumentOf.push(position);
        const { file } = array.storage;
        key += `${position}.${path}:${array.toString()}${file === undefined ? '' : `@${file.path}+${file.byteOffset}`};`;
      } else if (leaf === null || leaf === undefined || typeof leaf === 'string' || typeof leaf === 'boolean') {
        key += `${position}.${path}=${show(leaf, 200)};`;
      } else {
        throw new FiducialError(
          'engine.tree',
          `${label}: argument ${position}${path && `.${path}`} is ${show(leaf)}`,
          'Pass tensors, numbers, strings, booleans, and lists and plain objects of them.',
        );
      }
    });
  });
  return { leaves, key, argumentOf };
}

/** The same values in JavaScript memory: read from the file or the device; the array itself where it is there. */
export async function toHost(array: Tensor): Promise<Tensor> {
  const storage = array.storage;
  storage?.requireAlive(array.toString());
  if (storage?.file !== undefined) {
    const { path, byteOffset, byteLength } = storage.file;
    const bytes = new Uint8Array(byteLength);
    const handle = await open(path, 'r');
    try {
      let done = 0;
      while (done < byteLength) {
        const { bytesRead } = await handle.read(bytes, done, byteLength - done, byteOffset + done);
        if (bytesRead === 0)
          throw new FiducialError(
            'engine.file',
            `${path} ends ${byteLength - done} bytes before ${array.toString()} does`,
            'The file is shorter than its header says: fetch it again.',
          );
        done += bytesRead;
      }
    } finally {
      await handle.close();
    }
    return fromData(
      viewData(array.dtype, bytes.buffer, 0, elementCount(array.shape)) as never,
      array.shape,
      array.dtype,
    );
  }
  if (storage === undefined || storage.host !== undefined) {
    void array.data;
    return array;
  }
  const copy = compile((x: Tensor) => x, { device: storage.device, label: 'toHost' });
  return copy(array);
}

/** A copy in JavaScript memory. */
export async function clone(array: Tensor): Promise<Tensor> {
  const host = await toHost(array);
  const data = makeData(host.dtype, host.size);
  data.set(host.data as never);
  return fromData(data as never, host.shape, host.dtype);
}
