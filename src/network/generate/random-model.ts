/**
 * Small models with random weights, made in memory: every supported architecture with what is particular to it
 * switched on and so small that a text reaches it (a window of 6, a rope that stretches past 24 positions). For tests
 * and measurements, of which none should need a file.
 */
import { random } from '../../core/random.ts';
import { elementCount, fromData, type Tensor } from '../../engine/index.ts';
import { describe } from '../architecture/architectures.ts';
import type { Description } from '../architecture/description.ts';
import { parameterShapes } from '../parameters.ts';
import type { Forwardable } from './forwardable.ts';

const small = {
  vocab_size: 61,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  max_position_embeddings: 128,
};
const grouped = { ...small, num_key_value_heads: 2 };

/** A configuration of each kind, by name. */
export const RANDOM_CONFIGURATIONS = {
  gpt2: { model_type: 'gpt2', vocab_size: 61, n_positions: 128, n_embd: 16, n_layer: 2, n_head: 4 },
  gpt_neox: { model_type: 'gpt_neox', ...small, rotary_pct: 0.5 },
  llama: { model_type: 'llama', ...grouped },
  'llama, dynamic rope': {
    model_type: 'llama',
    ...grouped,
    max_position_embeddings: 24,
    rope_scaling: { rope_type: 'dynamic', factor: 4 },
  },
  mistral: { model_type: 'mistral', ...grouped, sliding_window: 6 },
  qwen2: { model_type: 'qwen2', ...grouped },
  qwen3: { model_type: 'qwen3', ...grouped, head_dim: 8 },
  gemma2: {
    model_type: 'gemma2',
    ...grouped,
    head_dim: 8,
    sliding_window: 6,
    attn_logit_softcapping: 50,
    final_logit_softcapping: 30,
    query_pre_attn_scalar: 8,
  },
  gemma3: {
    model_type: 'gemma3_text',
    ...grouped,
    head_dim: 8,
    sliding_window: 6,
    sliding_window_pattern: 2,
    query_pre_attn_scalar: 8,
  },
  'phi3, longrope': {
    model_type: 'phi3',
    ...grouped,
    original_max_position_embeddings: 24,
    rope_scaling: { type: 'longrope', short_factor: [1, 1.2], long_factor: [2, 4] },
  },
  olmo2: { model_type: 'olmo2', ...grouped },
} as const;

/**
 * A model of a configuration with random weights.
 *
 * @param spread standard deviation of weights times the square root of the width: above 1, choices have clear margins
 */
export function randomModel(
  config: { readonly [key: string]: unknown },
  { seed = 1, spread = 1.5 }: { readonly seed?: number; readonly spread?: number } = {},
): Forwardable & { readonly parameters: ReadonlyMap<string, Tensor> } {
  const description = describe(config);
  const parameters = randomParameters(description, seed, spread);
  return {
    description,
    parameters,
    prepack: true,
    forwardOptions: () => ({ weights: (name) => parameters.get(name)! }),
  };
}

function randomParameters(description: Description, seed: number, spread: number): Map<string, Tensor> {
  const stream = random(seed).split('parameters');
  const parameters = new Map<string, Tensor>();
  for (const [name, shape] of parameterShapes(description)) {
    // Scales of norms lie about 1, or about 0 where the architecture adds 1 to them.
    const isScale = shape.length === 1 && name.endsWith('weight');
    const mean = isScale && !description.norm.plusOne ? 1 : 0;
    const deviation = shape.length === 1 ? 0.1 : spread / Math.sqrt(description.width);
    const data = stream.split(name).fillNormal(new Float32Array(elementCount(shape)), mean, deviation);
    parameters.set(name, fromData(data, shape, 'float32'));
  }
  return parameters;
}
