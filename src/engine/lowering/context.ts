/** What a lowering rule writes into: ONNX nodes, constants shared by value, fresh names. */
import { bytesPerElement, dataFrom, type DType, viewData } from '../dtype.ts';
import type { Tensor } from '../graph.ts';
import type { OnnxAttribute, OnnxInitializer, OnnxNode } from '../onnx/model.ts';

export class Lowering {
  readonly device: string;
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxInitializer[] = [];
  /** Scalars that must look like run-time values to the runtime's optimiser; fed at every call. */
  readonly hiddenScalars: { name: string; value: number; dtype: DType }[] = [];
  readonly #names = new Map<Tensor, string>();
  readonly #constants = new Map<string, string>();
  #fresh = 0;

  constructor(device: string) {
    this.device = device;
  }

  nameOf(tensor: Tensor): string {
    let name = this.#names.get(tensor);
    if (name === undefined) {
      name = `v${this.#fresh++}`;
      this.#names.set(tensor, name);
    }
    return name;
  }

  setName(tensor: Tensor, name: string): void {
    this.#names.set(tensor, name);
  }

  hasName(tensor: Tensor): boolean {
    return this.#names.has(tensor);
  }

  /** Adds a node with one fresh output (or the given ones) and returns the first output's name. */
  add(
    type: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
    options: { readonly outputs?: readonly string[]; readonly domain?: string } = {},
  ): string {
    const outputs = options.outputs ?? [`t${this.#fresh++}`];
    this.nodes.push({
      type,
      inputs,
      outputs,
      ...(Object.keys(attributes).length > 0 ? { attributes } : {}),
      ...(options.domain === undefined ? {} : { domain: options.domain }),
    });
    return outputs[0]!;
  }

  /** An int64 vector. */
  ints(values: readonly number[]): string {
    return this.constant(dataFrom('int64', values), [values.length], 'int64');
  }

  /** A scalar of a type. */
  scalar(value: number, dtype: DType): string {
    return this.constant(dataFrom(dtype, [value]), [], dtype);
  }

  constant(data: ArrayBufferView, shape: readonly number[], dtype: DType): string {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const key = bytes.length <= 64 ? `${dtype}[${shape.join()}]${Buffer.from(bytes).toString('latin1')}` : undefined;
    const known = key === undefined ? undefined : this.#constants.get(key);
    if (known !== undefined) return known;
    const name = `c${this.#fresh++}`;
    if (key !== undefined) this.#constants.set(key, name);
    this.initializers.push({ name, dtype, shape, bytes: bytes.slice() });
    return name;
  }

  /** `value` everywhere in a tensor of this shape. Large ones are made at run time, so that no session holds them. */
  filled(value: number, shape: readonly number[], dtype: DType): string {
    const count = shape.reduce((product, size) => product * size, 1);
    if (shape.length === 0) return this.scalar(value, dtype);
    if (count <= 256) {
      const data = viewData(dtype, new ArrayBuffer(count * bytesPerElement(dtype)), 0, count);
      const cell = dataFrom(dtype, [value])[0]!;
      (data as { fill(value: unknown): unknown }).fill(cell);
      return this.constant(data, shape, dtype);
    }
    let scalar: string;
    if (count > 65_536 && (dtype === 'float32' || dtype === 'int32' || dtype === 'int64')) {
      const known = this.hiddenScalars.find((hidden) => Object.is(hidden.value, value) && hidden.dtype === dtype);
      scalar = known?.name ?? `h${this.#fresh++}`;
      if (known === undefined) this.hiddenScalars.push({ name: scalar, value, dtype });
    } else scalar = this.scalar(value, dtype);
    return this.add('Expand', [scalar, this.ints(shape)]);
  }
}
