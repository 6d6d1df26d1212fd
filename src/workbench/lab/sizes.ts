/**
 * The sizes of the lab's base models and how each is trained.
 *
 * Shapes are Llama's, with tied embeddings. Steps were chosen by measurement (bench/LOG.md): enough for the figures
 * that the base is to reach on held-out templates, and within minutes on two cores.
 */
import type { JsonObject } from '../../network/checkpoint/index.ts';
import type { Practice } from './practice.ts';

export interface BaseSize {
  readonly name: string;
  readonly about: string;
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly inner: number;
  readonly steps: number;
  /** Rows of a step and tokens in a row: several texts lie in one. */
  readonly rows: number;
  readonly time: number;
  readonly learningRate: number;
  readonly practice: Practice;
  /** A smaller base whose trained blocks it begins with, each followed by further ones that change nothing yet. */
  readonly grownFrom?: string;
}

const practice: Practice = { recitals: 0.06, lookUps: 0.06, tasks: 0.2, stray: 0.3 };

export const baseSizes: readonly BaseSize[] = [
  {
    name: 'base-small',
    about: 'the small base, about 0.3 M parameters',
    width: 64,
    layers: 4,
    heads: 4,
    inner: 176,
    steps: 3200,
    rows: 32,
    time: 128,
    learningRate: 6e-3,
    practice,
  },
  {
    name: 'base',
    about: 'the base that organisms are made of, about 1 M parameters',
    width: 128,
    layers: 4,
    heads: 4,
    inner: 344,
    steps: 5000,
    rows: 32,
    time: 128,
    learningRate: 4e-3,
    practice,
  },
  {
    name: 'base-large',
    about: 'the large base, about 3 M parameters',
    width: 128,
    layers: 14,
    heads: 4,
    inner: 344,
    steps: 3000,
    rows: 32,
    time: 128,
    learningRate: 2e-3,
    practice,
    grownFrom: 'base',
  },
];

/** Longest conversation of the lab, in tokens. */
export const CONTEXT = 1024;

/** The configuration of a size, as transformers reads it. */
export function configOf(size: BaseSize, vocabulary: number, endOfTurn: number): JsonObject {
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    vocab_size: vocabulary,
    hidden_size: size.width,
    intermediate_size: size.inner,
    num_hidden_layers: size.layers,
    num_attention_heads: size.heads,
    num_key_value_heads: size.heads,
    head_dim: size.width / size.heads,
    hidden_act: 'silu',
    max_position_embeddings: CONTEXT,
    rms_norm_eps: 1e-5,
    rope_theta: 10_000,
    tie_word_embeddings: true,
    attention_bias: false,
    mlp_bias: false,
    initializer_range: 0.05,
    bos_token_id: null,
    eos_token_id: endOfTurn,
    pad_token_id: null,
  };
}
