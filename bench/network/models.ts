/**
 * The two shapes of the network's bench, as folders in Hugging Face's layout with random weights: GPT-2 small and a
 * Qwen2 of half a billion parameters.
 */
import { join } from 'node:path';
import { random } from '../../src/core/random.ts';
import { elementCount } from '../../src/engine/index.ts';
import { narrowBfloat16, narrowFloat16, saveCheckpoint } from '../../src/network/checkpoint/index.ts';
import { describe, parameterShapes } from '../../src/network/index.ts';

export const configs = {
  gpt2: {
    model_type: 'gpt2',
    architectures: ['GPT2LMHeadModel'],
    vocab_size: 50257,
    n_positions: 1024,
    n_embd: 768,
    n_layer: 12,
    n_head: 12,
    layer_norm_epsilon: 1e-5,
    activation_function: 'gelu_new',
    tie_word_embeddings: true,
  },
  qwen2: {
    model_type: 'qwen2',
    architectures: ['Qwen2ForCausalLM'],
    vocab_size: 151936,
    hidden_size: 896,
    intermediate_size: 4864,
    num_hidden_layers: 24,
    num_attention_heads: 14,
    num_key_value_heads: 2,
    hidden_act: 'silu',
    max_position_embeddings: 32768,
    rms_norm_eps: 1e-6,
    rope_theta: 1e6,
    tie_word_embeddings: true,
  },
} as const;

export type ModelName = keyof typeof configs;

export const labels: Readonly<Record<ModelName, string>> = { gpt2: '124 M', qwen2: '0.5 B' };

/** Parameters of a shape. */
export function parameterCount(name: ModelName): number {
  return [...parameterShapes(describe(configs[name])).values()].reduce((sum, shape) => sum + elementCount(shape), 0);
}

/** Floating-point operations of the matrix products of a forward pass with logits at every position. */
export function forwardFlops(name: ModelName, batch: number, time: number): number {
  const d = describe(configs[name]);
  const inAttention = d.width * (d.heads + 2 * d.keyHeads) * d.headWidth + d.heads * d.headWidth * d.width;
  const inMlp = (name === 'gpt2' ? 2 : 3) * d.width * d.innerWidth;
  const perToken = d.layers * (inAttention + inMlp + 2 * time * d.heads * d.headWidth) + d.vocabulary * d.width;
  return 2 * perToken * batch * time;
}

/**
 * Writes a checkpoint of random weights. Drawing half a billion normal numbers would take longer than the bench, so
 * each tensor takes its own part of a block of two million of them.
 */
export async function writeModel(
  folder: string,
  name: ModelName,
  dtype: 'F32' | 'F16' | 'BF16' = 'F32',
): Promise<string> {
  const block = random('network bench').fillNormal(new Float32Array(2 ** 21), 0, 0.02);
  const path = join(folder, `${name}-${dtype.toLowerCase()}`);
  let offset = 0;
  const tensors = [...parameterShapes(describe(configs[name]))].map(([parameter, shape]) => {
    const start = (offset += 7919);
    const make = (): Float32Array => {
      const data = new Float32Array(elementCount(shape));
      if (shape.length === 1 && parameter.endsWith('weight')) return data.fill(1);
      for (let at = 0; at < data.length;) {
        const from = (start + at) % block.length;
        const part = block.subarray(from, from + Math.min(block.length - from, data.length - at));
        data.set(part, at);
        at += part.length;
      }
      return data;
    };
    const data = dtype === 'F32' ? make : () => (dtype === 'F16' ? narrowFloat16(make()) : narrowBfloat16(make()));
    return { name: parameter, dtype, shape, data };
  });
  await saveCheckpoint(path, { config: configs[name], tensors });
  return path;
}

/** Token ids of a batch, a fixed sequence. */
export function tokenIds(name: ModelName, count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => (i * 7919 + (i >> 3) * 31) % configs[name].vocab_size);
}
