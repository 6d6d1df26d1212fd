/**
 * Projections in 4 or 8 bits, for speed: one token of one reply costs a read of all weights, so fewer bytes are fewer
 * milliseconds. Weights are cut into blocks along the input axis, each with a scale by which its largest value takes
 * the end of the range that has one code more, as ggml's Q4_0 and Q8 do without an offset. Embeddings, norms and
 * biases stay float32. The result lies in one file, which sessions read by reference.
 */
import { realpathSync } from 'node:fs';
import { FiducialError, show } from '../../core/errors.ts';
import { fromFile, matmulQuantised, type Tensor, toHost } from '../../engine/index.ts';
import type { Description, Projection } from '../architecture/description.ts';
import { openSafetensors, type TensorToWrite, writeSafetensors } from '../checkpoint/index.ts';
import { parameterShapes } from '../parameters.ts';
import type { Forwardable } from './forwardable.ts';

export interface QuantiseOptions {
  readonly bits: 4 | 8;
  /** Weights that share a scale: 16, 32, 64 or 128. 32 unless told. */
  readonly block?: number;
  /**
   * What products are computed in. `int8`, unless told, rounds activations too, and is more than twice as fast at 4
   * bits; 8 bits know nothing else.
   */
  readonly accuracy?: 'float32' | 'int8';
  /** Where to put the weights: a safetensors file, replaced if it is there. */
  readonly file: string;
}

export interface Quantised extends Forwardable {
  /** Bytes of the quantised projections, scales included. */
  readonly quantisedBytes: number;
}

/**
 * A model whose projections are quantised: the same tokens, faster, and a little off. It has no derivatives.
 *
 * @throws FiducialError `quantise.option`; `checkpoint.*` where the file can't be written
 * @example
 * const small = await quantise(network.description, network.parameters, { bits: 4, file: 'gpt2-4bit.safetensors' });
 * const generator = new Generator(small);
 */
export async function quantise(
  description: Description,
  parameters: ReadonlyMap<string, Tensor>,
  { bits, block = 32, accuracy = 'int8', file }: QuantiseOptions,
): Promise<Quantised> {
  if (![4, 8].includes(bits) || ![16, 32, 64, 128].includes(block)) {
    throw new FiducialError(
      'quantise.option',
      `bits ${show(bits)}, block ${show(block)}`,
      'Bits are 4 or 8, a block has 16, 32, 64 or 128 weights.',
    );
  }
  if (bits === 8 && accuracy === 'float32') {
    throw new FiducialError(
      'quantise.option',
      '8 bits with the accuracy float32',
      'The runtime would unpack every weight in every run, thirty times slower: leave accuracy out.',
    );
  }
  const layouts = new Map(projections(description));
  const sizes = new Map<string, { readonly inputs: number; readonly outputs: number }>();
  const tensors: TensorToWrite[] = [];
  for (const [name, shape] of parameterShapes(description)) {
    const parameter = parameters.get(name)!;
    const layout = layouts.get(name);
    // A tied table is looked up in float32 and multiplied by in few bits.
    if (layout === undefined || name === description.tokens) {
      tensors.push({ name, dtype: 'F32', shape: [...shape], data: () => floatsOf(parameter) });
    }
    if (layout === undefined) continue;
    const [outputs, inputs] = (layout === 'out-in' ? shape : shape.toReversed()) as [number, number];
    sizes.set(name, { inputs, outputs });
    const blocks = Math.ceil(inputs / block);
    const pack = async (): Promise<Packed> =>
      packWeight(await floatsOf(parameter), { inputs, outputs, bits, block, isTransposed: layout === 'in-out' });
    tensors.push(
      {
        name: `${name}.packed`,
        dtype: 'U8',
        shape: [outputs, blocks, (block * bits) / 8],
        data: async () => (await pack()).codes,
      },
      { name: `${name}.scales`, dtype: 'F32', shape: [outputs, blocks], data: async () => (await pack()).scales },
    );
  }
  await writeSafetensors(file, tensors);
  const written = (await openSafetensors(file)).tensors;
  const path = realpathSync(file);
  let quantisedBytes = 0;
  const weights = new Map<string, Tensor>();
  for (const [name, { byteOffset, byteLength, shape, dtype }] of written) {
    weights.set(name, fromFile({ path, byteOffset, byteLength }, shape, dtype === 'U8' ? 'uint8' : 'float32'));
    if (/\.(packed|scales)$/.test(name)) quantisedBytes += byteLength;
  }
  return {
    description,
    quantisedBytes,
    // Without prepacking the runtime would unpack every weight in every run.
    prepack: true,
    forwardOptions: () => ({
      weights: (name) => {
        const weight = weights.get(name);
        if (weight !== undefined) return weight;
        throw new FiducialError(
          'quantise.float',
          `${name} is quantised, and something reads it as float32`,
          'Heads one by one, adapters inside a weight and the like need the model that is not quantised.',
        );
      },
      project: (x, name) => {
        const size = sizes.get(name);
        if (size === undefined) return undefined;
        const [packed, scales] = [weights.get(`${name}.packed`)!, weights.get(`${name}.scales`)!];
        return matmulQuantised(x, packed, scales, { bits, block, ...size, accuracy });
      },
    }),
  };
}

/** The weights that are multiplied by, with how they lie. */
function* projections(description: Description): Generator<[string, 'in-out' | 'out-in']> {
  const named = function* (parts: Iterable<Projection>): Generator<[string, 'in-out' | 'out-in']> {
    for (const { weight } of parts) yield [weight, description.weightLayout];
  };
  for (let layer = 0; layer < description.layers; layer++) {
    const { qkv, out, mlp } = description.block(layer);
    yield* named([...Object.values(qkv), out, ...Object.values(mlp)]);
  }
  yield [description.unembedding.weight, 'out-in'];
}

export interface Packed {
  /** [outputs, blocks, block * bits / 8], lowest bits first. */
  readonly codes: Uint8Array;
  /** [outputs, blocks] */
  readonly scales: Float32Array;
}

/**
 * Rounds a weight to codes: weight = scale * (code - 2^(bits - 1)).
 *
 * @param values [outputs, inputs], or [inputs, outputs] when transposed
 */
export function packWeight(
  values: Float32Array,
  layout: {
    readonly inputs: number;
    readonly outputs: number;
    readonly bits: 4 | 8;
    readonly block: number;
    readonly isTransposed: boolean;
  },
): Packed {
  const { inputs, outputs, bits, block, isTransposed } = layout;
  const blocks = Math.ceil(inputs / block);
  const bytes = (block * bits) / 8;
  const zero = 2 ** (bits - 1);
  const codes = new Uint8Array(outputs * blocks * bytes).fill(bits === 4 ? zero * 17 : zero);
  const scales = new Float32Array(outputs * blocks);
  const [rowStep, step] = isTransposed ? [1, outputs] : [inputs, 1];
  for (let out = 0; out < outputs; out++) {
    for (let b = 0; b < blocks; b++) {
      const [from, to] = [b * block, Math.min(inputs, (b + 1) * block)];
      let extreme = 0;
      for (let k = from; k < to; k++) {
        const value = values[out * rowStep + k * step]!;
        if (Math.abs(value) > Math.abs(extreme)) extreme = value;
      }
      const scale = Math.fround(extreme / -zero);
      scales[out * blocks + b] = scale;
      if (scale === 0) continue;
      for (let k = from; k < to; k++) {
        const value = values[out * rowStep + k * step]!;
        const code = Math.min(2 * zero - 1, Math.max(0, Math.round(value / scale) + zero));
        const at = (out * blocks + b) * bytes;
        const i = k - from;
        if (bits === 8) codes[at + i] = code;
        else {
          const shift = i % 2 === 0 ? 0 : 4;
          const place = at + (i >> 1);
          codes[place] = (codes[place]! & (i % 2 === 0 ? 0xf0 : 0x0f)) | (code << shift);
        }
      }
    }
  }
  return { codes, scales };
}

/** The values of a parameter in float32, on the host. */
async function floatsOf(parameter: Tensor): Promise<Float32Array> {
  const host = await toHost(parameter);
  return host.dtype === 'float32' ? (host.data as Float32Array) : Float32Array.from(host.toFloat64());
}
