/**
 * A program: one traced function for one set of shapes, lowered to ONNX, ready to be run by any session.
 *
 * Host arrays become inputs, arrays in files external initializers (no copy), donated inputs are overwritten in place
 * where {@link mayOverwrite} allows it and otherwise exchanged with a spare buffer from call to call.
 */
import { parse, relative } from 'node:path';
import { FiducialError } from '../core/errors.ts';
import { bytesPerElement, isFloat, makeData } from './dtype.ts';
import { sub } from './functions/elementwise.ts';
import { concat, reshape } from './functions/movement.ts';
import { sum } from './functions/reductions.ts';
import { elementCount, makeNode, type Node, reachable, type Spec, Tensor, type Trace, withTrace } from './graph.ts';
import { consumersOf, mayOverwrite, peakBytes, resolveAlias } from './inplace.ts';
import { Lowering } from './lowering/context.ts';
import { loweringRules } from './lowering/rules.ts';
import { encodeModel, type OnnxInitializer, type OnnxModel, type OnnxValue, requireModelSize } from './onnx/model.ts';
import { callerLine, lift } from './operators/emit.ts';
import { runSession, runtimeTensor, sessionKey, type SessionOptions, storageOf } from './runtime.ts';
import { belongToScope } from './scope.ts';
import { type FileRegion, Storage } from './storage.ts';

export interface ProgramOptions {
  readonly label: string;
  readonly device: string;
  readonly prepack: boolean;
  readonly checkFinite: boolean;
  /** Results stay on the device even where nothing was donated for them. */
  readonly keepOnDevice: boolean;
}

interface InputBinding {
  readonly name: string;
  /** Position among the arguments, a captured array, or a fixed scalar. */
  readonly from:
    | { readonly argument: number }
    | { readonly captured: Tensor }
    | { readonly scalar: Storage; readonly spec: Spec };
}

interface OutputBinding {
  readonly name: string;
  readonly spec: Spec;
  /** The donated argument whose buffer this output takes over. */
  readonly donated?: number;
  /** Whether that buffer is written during the run, or exchanged with the spare after it. */
  readonly inPlace?: boolean;
  /** The output is this donated argument itself. */
  readonly passes?: number;
}

export class Program {
  readonly options: ProgramOptions;
  readonly model: OnnxModel;
  readonly nodes: readonly Node[];
  readonly outputs: readonly Tensor[];
  readonly estimatedBytes: number;
  readonly #inputs: readonly InputBinding[];
  readonly #outputs: readonly OutputBinding[];
  readonly #captured: readonly Tensor[];
  readonly #checked: readonly Node[];
  readonly #spares = new Map<number, Storage>();
  readonly #session: SessionOptions;
  #bytes: Uint8Array | undefined;
  #key = '';

  /**
   * @param argumentSpecs shape and type of each argument tensor, and its file where it lies in one
   * @param donated positions of arguments that may be overwritten
   * @param body the function over traced arguments; returns the result tensors
   */
  constructor(
    argumentSpecs: readonly (Spec & { readonly file?: FileRegion | undefined })[],
    donated: ReadonlySet<number>,
    body: (args: readonly Tensor[]) => Tensor[],
    options: ProgramOptions,
  ) {
    this.options = options;
    const trace: Trace = { captured: new Map(), keepsOrigins: options.checkFinite };
    const args = argumentSpecs.map((spec, slot) => makeNode('input', { slot }, [], [spec]).outputs[0]!);
    let checked: Node[] = [];
    const results = withTrace(trace, () => {
      const own = body(args).map((result) => lift(result, 'return'));
      if (!options.checkFinite) return own;
      checked = reachable(own).filter((node) => node.operator !== 'input' && node.outputs.some(isCheckable));
      return checked.length === 0 ? own : [...own, finiteFlags(checked)];
    });
    this.#checked = checked;
    this.outputs = results;
    this.#captured = [...trace.captured.keys()];
    this.nodes = reachable(results);

    const inputs: InputBinding[] = [];
    const values: OnnxValue[] = [];
    const external = new ExternalFiles();
    const to = new Lowering(options.device);
    const byNode = new Map<Node, Tensor>([...trace.captured].map(([concrete, traced]) => [traced.node!, concrete]));
    for (const node of this.nodes) {
      if (node.operator !== 'input') continue;
      const traced = node.outputs[0]!;
      const { slot } = node.attributes;
      const captured = byNode.get(node);
      if (slot < 0 && captured === undefined) throw leaked(traced);
      if (slot >= 0 && args[slot] !== traced) throw leaked(traced);
      const file = slot >= 0 ? argumentSpecs[slot]!.file : captured!.storage!.file;
      const name = to.nameOf(traced);
      if (file !== undefined) {
        to.initializers.push(external.initializer(name, traced, file));
        continue;
      }
      inputs.push({ name, from: slot >= 0 ? { argument: slot } : { captured: captured! } });
      values.push({ name, dtype: traced.dtype, shape: traced.shape });
    }

    // Before they are copied into the model.
    requireModelSize(
      this.nodes.reduce(
        (bytes, node) => bytes + (node.operator === 'constant' ? node.attributes.data.byteLength : 0),
        0,
      ),
    );
    this.#outputs = this.#bindOutputs(results, args, donated, to);
    for (const node of this.nodes) {
      const rule = loweringRules[node.operator] as (node: Node, to: Lowering) => void;
      rule(node, to);
    }
    const outputValues: OnnxValue[] = [];
    this.#outputs.forEach((output, i) => {
      if (output.passes !== undefined) return;
      const resolved = resolveAlias(results[i]!);
      const produced = to.nameOf(resolved);
      if (produced !== output.name) to.add('Identity', [produced], {}, { outputs: [output.name] });
      outputValues.push({ name: output.name, dtype: output.spec.dtype, shape: output.spec.shape });
    });
    for (const hidden of to.hiddenScalars) {
      const scalar = new Storage({ host: fullData(hidden.dtype, hidden.value), device: 'cpu' });
      inputs.push({ name: hidden.name, from: { scalar, spec: { shape: [], dtype: hidden.dtype } } });
      values.push({ name: hidden.name, dtype: hidden.dtype, shape: [] });
    }
    this.#inputs = inputs;
    this.model = { nodes: to.nodes, initializers: to.initializers, inputs: values, outputs: outputValues };
    const constantBytes = to.initializers.reduce((total, { bytes }) => total + (bytes?.length ?? 0), 0);
    const bytesOf = (tensor: Tensor): number => elementCount(tensor.shape) * bytesPerElement(tensor.dtype);
    this.estimatedBytes =
      constantBytes + peakBytes(this.nodes, results, bytesOf) + (options.prepack ? external.bytes : 0);
    const onDevice = this.#outputs
      .filter((output) => output.passes === undefined && (options.keepOnDevice || output.donated !== undefined))
      .map((output) => output.name);
    this.#session = {
      device: options.device,
      prepack: options.prepack,
      ...(external.folder === undefined ? {} : { externalFolder: external.folder }),
      ...(options.device === 'cpu' ? {} : { onDevice }),
    };
  }

  #bindOutputs(
    results: readonly Tensor[],
    args: readonly Tensor[],
    donated: ReadonlySet<number>,
    to: Lowering,
  ): OutputBinding[] {
    const consumers = consumersOf(this.nodes);
    const free = new Set(donated);
    const used = new Set<Tensor>();
    const take = (fits: (argument: Tensor) => boolean): number | undefined => {
      for (const position of free) {
        if (fits(args[position]!)) {
          free.delete(position);
          return position;
        }
      }
      return undefined;
    };
    const isLeaf = (tensor: Tensor): boolean => ['input', 'constant', 'fill'].includes(tensor.node!.operator);
    const resolved = results.map(resolveAlias);
    // What only passes through keeps its buffer, so that is settled before anything is overwritten.
    const passes = resolved.map((result) =>
      used.has(result) ? undefined : (used.add(result), take((argument) => argument === result)),
    );
    used.clear();
    return results.map((result, i) => {
      const spec: Spec = { shape: result.shape, dtype: result.dtype };
      const source = resolved[i]!;
      const name = `o${i}`;
      if (passes[i] !== undefined) return { name, spec, passes: passes[i] };
      const isOwn = !isLeaf(source) && !used.has(source);
      used.add(source);
      if (isOwn) to.setName(source, name);
      if (!isOwn) return { name, spec };
      const same = (argument: Tensor): boolean =>
        argument.dtype === spec.dtype &&
        argument.size === elementCount(spec.shape) &&
        String(argument.shape) === String(spec.shape);
      const inPlace = take((argument) => same(argument) && mayOverwrite(argument, source, consumers));
      if (inPlace !== undefined) return { name, spec, donated: inPlace, inPlace: this.options.device === 'cpu' };
      const exchanged = take(same);
      return exchanged === undefined ? { name, spec } : { name, spec, donated: exchanged, inPlace: false };
    });
  }

  /** How many donated arguments are overwritten in place, exchanged with a spare, or passed on. */
  get donation(): { inPlace: number; exchanged: number; passed: number } {
    const count = (is: (output: OutputBinding) => boolean): number => this.#outputs.filter(is).length;
    return {
      inPlace: count((output) => output.inPlace === true),
      exchanged: count((output) => output.inPlace === false),
      passed: count((output) => output.passes !== undefined),
    };
  }

  /** The ONNX model's bytes. */
  get bytes(): Uint8Array {
    if (this.#bytes === undefined) {
      this.#bytes = encodeModel(this.model);
      this.#key = sessionKey(this.#bytes, this.#session);
    }
    return this.#bytes;
  }

  async run(args: readonly Tensor[]): Promise<Tensor[]> {
    const { label, device } = this.options;
    for (const tensor of [...args, ...this.#captured]) tensor.storage!.requireAlive(`${label}: ${tensor.toString()}`);
    this.#requireUnshared(args);
    const feeds: Record<string, ReturnType<typeof runtimeTensor>> = {};
    for (const { name, from } of this.#inputs) {
      if ('scalar' in from) feeds[name] = runtimeTensor(from.scalar, from.spec.shape, from.spec.dtype);
      else {
        const source = 'argument' in from ? args[from.argument]! : from.captured;
        feeds[name] = runtimeTensor(source.storage!, source.shape, source.dtype);
      }
    }
    const fetches: Record<string, ReturnType<typeof runtimeTensor> | null> = {};
    const targets = this.#outputs.map((output, i) => {
      if (output.passes !== undefined) return undefined;
      let target: Storage | undefined;
      if (output.donated !== undefined && device === 'cpu') {
        if (output.inPlace === true) target = args[output.donated]!.storage!;
        else {
          target = this.#spares.get(i);
          this.#spares.delete(i);
          target ??= new Storage({ host: makeData(output.spec.dtype, elementCount(output.spec.shape)), device: 'cpu' });
        }
      }
      fetches[output.name] = target === undefined ? null : runtimeTensor(target, output.spec.shape, output.spec.dtype);
      return target;
    });
    const { bytes } = this;
    const about = { label, estimatedBytes: this.estimatedBytes };
    const needsRun = Object.keys(fetches).length > 0;
    const results = needsRun ? await runSession(this.#key, bytes, this.#session, about, feeds, fetches) : {};
    const given = 'it was given away to a compiled function';
    const outputs = this.#outputs.map((output, i) => {
      let storage: Storage;
      if (output.passes !== undefined) storage = args[output.passes]!.storage!.moveOut(given);
      else if (output.donated !== undefined && device === 'cpu') {
        const old = args[output.donated]!.storage!.moveOut(given);
        if (output.inPlace === true) storage = old;
        else {
          storage = targets[i]!;
          this.#spares.set(i, old);
        }
      } else {
        storage = storageOf(results[output.name]!, device);
        if (output.donated !== undefined) args[output.donated]!.storage!.release(given);
      }
      return new Tensor(output.spec, storage);
    });
    if (this.#checked.length > 0) this.#requireFinite(outputs.pop()!);
    belongToScope(outputs);
    return outputs;
  }

  /** An array that is overwritten must not be read under another name in the same call. */
  #requireUnshared(args: readonly Tensor[]): void {
    const donated = new Set(
      this.#outputs.flatMap(({ donated: position }) => (position === undefined ? [] : [position])),
    );
    if (donated.size === 0) return;
    const owners = new Map<Storage, number>();
    args.forEach((arg, position) => {
      const other = owners.get(arg.storage!);
      if (other !== undefined && (donated.has(position) || donated.has(other))) {
        throw new FiducialError(
          'engine.donate',
          `${this.options.label}: one array, ${arg.toString()}, is donated and passed again`,
          'Pass a clone() for one of them.',
        );
      }
      owners.set(arg.storage!, position);
    });
  }

  #requireFinite(flags: Tensor): void {
    const at = flags.toFloat64().findIndex((flag) => flag !== 0);
    if (at < 0) return;
    const node = this.#checked[at]!;
    const line = callerLine(node.origin?.stack);
    throw new FiducialError(
      'engine.not-finite',
      `${this.options.label}: ${node.operator} gave a value that is not finite: ${node.outputs[0]!.toString()} from ${node.inputs.map(String).join(', ')}${line === undefined ? '' : ` (${line})`}`,
      'Look at what goes into that operator: a logarithm of 0, a division by 0, an overflow.',
    );
  }
}

const isCheckable = (tensor: Tensor): boolean =>
  isFloat(tensor.dtype) && tensor.dtype !== 'bfloat16' && tensor.size > 0;

/** One number a node: 0 where all its values are finite, since x - x is 0 then and not a number otherwise. */
function finiteFlags(nodes: readonly Node[]): Tensor {
  const flags = nodes.map((node) => {
    const parts = node.outputs.filter(isCheckable).map((output) => reshape(sum(sub(output, output)), [1]));
    return parts.length === 1 ? parts[0]! : sum(concat(parts), { keepDims: true });
  });
  return concat(flags);
}

function fullData(dtype: Spec['dtype'], value: number): ReturnType<typeof makeData> {
  const data = makeData(dtype, 1);
  data[0] = data instanceof BigInt64Array ? BigInt(value) : value;
  return data;
}

function leaked(tensor: Tensor): FiducialError {
  return new FiducialError(
    'engine.leaked',
    `${tensor.toString()} belongs to another traced function`,
    'Pass it as an argument; a traced tensor must not outlive the call that made it.',
  );
}

/** External initializers are named from the root of the file system, so that weights may lie in any folders. */
class ExternalFiles {
  folder: string | undefined;
  bytes = 0;

  initializer(name: string, spec: Spec, file: FileRegion): OnnxInitializer {
    const { root } = parse(file.path);
    this.folder ??= root;
    if (this.folder !== root) {
      throw new FiducialError(
        'engine.files',
        `Arrays lie on two drives: ${this.folder} and ${root}`,
        'Keep the files of one model on one drive, or load one of them with toHost().',
      );
    }
    this.bytes += file.byteLength;
    return {
      name,
      dtype: spec.dtype,
      shape: spec.shape,
      external: { location: relative(root, file.path), byteOffset: file.byteOffset, byteLength: file.byteLength },
    };
  }
}
