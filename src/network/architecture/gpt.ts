/**
 * GPT-2 (Radford et al. 2019) and GPT-NeoX with Pythia (Black et al. 2022): layer norms with biases, a plain MLP.
 */
import { activation, each, linear, oneRope, type Reader, scaleAndBias, wholeHeads } from './parts.ts';

export const gpt2: Reader = (config) => {
  const [width, layers, heads] = [config.integer('n_embd'), config.integer('n_layer'), config.integer('n_head')];
  config.only('add_cross_attention', false);
  config.raw('reorder_and_upcast_attn'); // the order of a float32 computation only
  const isScaled = config.boolean('scale_attn_weights', true);
  const byLayer = config.boolean('scale_attn_by_inverse_layer_idx', false);
  const isTied = config.boolean('tie_word_embeddings', true);
  const headWidth = wholeHeads(config, 'n_head', width, heads);
  return {
    architecture: 'gpt2',
    vocabulary: config.integer('vocab_size'),
    width,
    layers,
    heads,
    keyHeads: heads,
    headWidth,
    innerWidth: config.has('n_inner') ? config.integer('n_inner') : 4 * width,
    context: config.integer('n_positions'),
    norm: { kind: 'layer', epsilon: config.number('layer_norm_epsilon', 1e-5), plusOne: false },
    activation: activation(config, 'activation_function', 'gelu_new'),
    isParallel: false,
    weightLayout: 'in-out',
    fusedOrder: 'parts',
    queryKeyNorm: 'none',
    attentionScale: each(layers, (layer) => (isScaled ? 1 / Math.sqrt(headWidth) : 1) / (byLayer ? layer + 1 : 1)),
    windows: each(layers, () => undefined),
    positions: { learned: 'transformer.wpe.weight' },
    embeddingScale: 1,
    tokens: 'transformer.wte.weight',
    finalNorm: scaleAndBias('transformer.ln_f'),
    unembedding: { weight: isTied ? 'transformer.wte.weight' : 'lm_head.weight' },
    isTied,
    block: (layer) => {
      const at = `transformer.h.${layer}`;
      return {
        norm1: scaleAndBias(`${at}.ln_1`),
        norm2: scaleAndBias(`${at}.ln_2`),
        qkv: { fused: linear(`${at}.attn.c_attn`, true) },
        out: linear(`${at}.attn.c_proj`, true),
        mlp: { up: linear(`${at}.mlp.c_fc`, true), down: linear(`${at}.mlp.c_proj`, true) },
      };
    },
    ignoredTensors: /(^|\.)h\.\d+\.attn\.(bias|masked_bias)$/,
  };
};

export const gptNeox: Reader = (config) => {
  const [width, layers, heads] = [
    config.integer('hidden_size'),
    config.integer('num_hidden_layers'),
    config.integer('num_attention_heads'),
  ];
  const headWidth = wholeHeads(config, 'num_attention_heads', width, heads);
  const context = config.integer('max_position_embeddings');
  const rope = oneRope(config, headWidth, context, {
    baseNames: ['rotary_emb_base'],
    shareNames: ['rotary_pct'],
    share: 0.25,
  });
  const hasBias = config.boolean('attention_bias', true);
  const isTied = config.boolean('tie_word_embeddings', false);
  return {
    architecture: 'gpt_neox',
    vocabulary: config.integer('vocab_size'),
    width,
    layers,
    heads,
    keyHeads: heads,
    headWidth,
    innerWidth: config.integer('intermediate_size'),
    context: rope.reach,
    norm: { kind: 'layer', epsilon: config.number('layer_norm_eps', 1e-5), plusOne: false },
    activation: activation(config, 'hidden_act', 'gelu'),
    isParallel: config.boolean('use_parallel_residual', true),
    weightLayout: 'out-in',
    fusedOrder: 'heads',
    queryKeyNorm: 'none',
    attentionScale: each(layers, () => 1 / Math.sqrt(headWidth)),
    windows: each(layers, () => undefined),
    positions: { ropes: each(layers, () => rope) },
    embeddingScale: 1,
    tokens: 'gpt_neox.embed_in.weight',
    finalNorm: scaleAndBias('gpt_neox.final_layer_norm'),
    unembedding: { weight: isTied ? 'gpt_neox.embed_in.weight' : 'embed_out.weight' },
    isTied,
    block: (layer) => {
      const at = `gpt_neox.layers.${layer}`;
      return {
        norm1: scaleAndBias(`${at}.input_layernorm`),
        norm2: scaleAndBias(`${at}.post_attention_layernorm`),
        qkv: { fused: linear(`${at}.attention.query_key_value`, hasBias) },
        out: linear(`${at}.attention.dense`, hasBias),
        mlp: { up: linear(`${at}.mlp.dense_h_to_4h`, true), down: linear(`${at}.mlp.dense_4h_to_h`, true) },
      };
    },
    ignoredTensors: /\.attention\.(bias|masked_bias|rotary_emb\.inv_freq)$/,
  };
};
