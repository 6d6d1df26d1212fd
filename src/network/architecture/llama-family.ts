/**
 * Llama and its descendants: RMS norms, a gated MLP, rotary positions, and the same layout of files. Each reader says
 * only what its architecture does otherwise.
 * Sources: Touvron et al. 2023; Jiang et al. 2023; the Qwen2, Qwen3, Gemma 2, Gemma 3 and OLMo 2 reports; Abdin et al.
 * 2024; which settings exist and what an absent one means as in transformers 5.
 */
import type { ConfigReader } from './config-reader.ts';
import type { BlockNames, Description } from './description.ts';
import {
  activation,
  each,
  layerWindows,
  linear,
  oneRope,
  rotatedWidth,
  type Reader,
  type RopeFamily,
  scaleOnly,
  wholeHeads,
} from './parts.ts';
import { readRope, type Rope } from './rope.ts';

interface LlamaFamily {
  readonly architecture: string;
  readonly queryKeyNorm?: 'head' | 'width';
  /** Biases of query, key and value; of the output; of the MLP. */
  readonly biases: { readonly qkv: boolean; readonly out: boolean; readonly mlp: boolean };
  readonly windows?: readonly (number | undefined)[];
  readonly ropes?: readonly Rope[];
  readonly activation?: Description['activation'];
  readonly plusOne?: boolean;
  readonly order?: 'pre' | 'sandwich' | 'post';
  readonly isFused?: boolean;
  readonly scale?: number;
  readonly tiedByDefault?: boolean;
  readonly rope?: RopeFamily;
  /** Width of a head and epsilon of the norms in files that do not say. */
  readonly headWidth?: number;
  readonly epsilon?: number;
  readonly attentionSoftCap?: number | undefined;
  readonly finalSoftCap?: number | undefined;
}

/** What Llama and its descendants share: file layout, gated MLP, RMS norms, rotary positions. */
function llamaLike(config: ConfigReader, family: LlamaFamily): Description {
  const [width, layers, heads] = [
    config.integer('hidden_size'),
    config.integer('num_hidden_layers'),
    config.integer('num_attention_heads'),
  ];
  const headWidth = config.has('head_dim')
    ? config.integer('head_dim')
    : (family.headWidth ?? wholeHeads(config, 'num_attention_heads', width, heads));
  const keyHeads = config.integer('num_key_value_heads', heads);
  if (heads % keyHeads !== 0) throw config.refuse('num_key_value_heads', `${heads} heads do not divide into it`);
  const context = config.integer('max_position_embeddings');
  const isTied = config.boolean('tie_word_embeddings', family.tiedByDefault ?? false);
  const order = family.order ?? 'pre';
  const ropes = family.ropes ?? sameRope(layers, oneRope(config, headWidth, context, family.rope));
  config.raw('pretraining_tp'); // how the published weights were once split over devices
  const { biases, attentionSoftCap, finalSoftCap } = family;
  return {
    architecture: family.architecture,
    vocabulary: config.integer('vocab_size'),
    width,
    layers,
    heads,
    keyHeads,
    headWidth,
    innerWidth: config.integer('intermediate_size'),
    context: Math.max(...ropes.map(({ reach }) => reach)),
    norm: {
      kind: 'rms',
      epsilon: config.number('rms_norm_eps', family.epsilon ?? 1e-6),
      plusOne: family.plusOne ?? false,
    },
    activation: family.activation ?? activation(config, 'hidden_act', 'silu'),
    isParallel: false,
    weightLayout: 'out-in',
    fusedOrder: 'parts',
    queryKeyNorm: family.queryKeyNorm ?? 'none',
    attentionScale: each(layers, () => family.scale ?? 1 / Math.sqrt(headWidth)),
    ...(attentionSoftCap === undefined ? {} : { attentionSoftCap }),
    ...(finalSoftCap === undefined ? {} : { finalSoftCap }),
    windows: family.windows ?? each(layers, () => undefined),
    positions: { ropes },
    embeddingScale: family.plusOne === true ? Math.sqrt(width) : 1,
    tokens: 'model.embed_tokens.weight',
    finalNorm: scaleOnly('model.norm'),
    unembedding: { weight: isTied ? 'model.embed_tokens.weight' : 'lm_head.weight' },
    isTied,
    block: (layer): BlockNames => {
      const at = `model.layers.${layer}`;
      const attention = `${at}.self_attn`;
      return {
        ...(order === 'post' ? {} : { norm1: scaleOnly(`${at}.input_layernorm`) }),
        ...(order === 'pre' ? { norm2: scaleOnly(`${at}.post_attention_layernorm`) } : {}),
        ...(order === 'sandwich' ? { norm2: scaleOnly(`${at}.pre_feedforward_layernorm`) } : {}),
        ...(order === 'pre'
          ? {}
          : {
              attentionOutNorm: scaleOnly(`${at}.post_attention_layernorm`),
              mlpOutNorm: scaleOnly(`${at}.post_feedforward_layernorm`),
            }),
        qkv:
          family.isFused === true
            ? { fused: linear(`${attention}.qkv_proj`, biases.qkv) }
            : {
                q: linear(`${attention}.q_proj`, biases.qkv),
                k: linear(`${attention}.k_proj`, biases.qkv),
                v: linear(`${attention}.v_proj`, biases.qkv),
              },
        out: linear(`${attention}.o_proj`, biases.out),
        ...(family.queryKeyNorm === undefined
          ? {}
          : { queryNorm: scaleOnly(`${attention}.q_norm`), keyNorm: scaleOnly(`${attention}.k_norm`) }),
        mlp:
          family.isFused === true
            ? { gateUp: linear(`${at}.mlp.gate_up_proj`, biases.mlp), down: linear(`${at}.mlp.down_proj`, biases.mlp) }
            : {
                gate: linear(`${at}.mlp.gate_proj`, biases.mlp),
                up: linear(`${at}.mlp.up_proj`, biases.mlp),
                down: linear(`${at}.mlp.down_proj`, biases.mlp),
              },
      };
    },
    ignoredTensors: /\.rotary_emb\.inv_freq$/,
  };
}

const sameRope = (layers: number, rope: Rope): Rope[] => each(layers, () => rope);

/** A setting whose absence means something else than null, which turns it off. */
const orDefault = (config: ConfigReader, name: string, fallback: number): number | undefined =>
  config.raw(name) === undefined ? fallback : config.optionalNumber(name);

/** A sliding window: a whole number of tokens, the default where the file does not say, none where it says null. */
function windowOf(config: ConfigReader, fallback?: number): number | undefined {
  if (config.raw('sliding_window') === undefined) return fallback;
  return config.has('sliding_window') ? config.integer('sliding_window') : undefined;
}

const attentionBias = (config: ConfigReader, mlp = false): LlamaFamily['biases'] => {
  const hasBias = config.boolean('attention_bias', false);
  return { qkv: hasBias, out: hasBias, mlp };
};

export const llama: Reader = (config) => {
  config.only('rope_interleaved', false);
  return llamaLike(config, { architecture: 'llama', biases: attentionBias(config, config.boolean('mlp_bias', false)) });
};

export const mistral: Reader = (config) => {
  const layers = config.integer('num_hidden_layers');
  const window = windowOf(config, 4096);
  const windows = layerWindows(config, layers, window, () => window !== undefined);
  if (windows.some((size) => size !== window))
    throw config.refuse('layer_types', 'in Mistral all layers have the window or none has');
  return llamaLike(config, { architecture: 'mistral', biases: { qkv: false, out: false, mlp: false }, windows });
};

/** Qwen 2 and 3 use a window only when told so, and then from `max_window_layers` on. */
function qwenWindows(config: ConfigReader): (number | undefined)[] {
  const layers = config.integer('num_hidden_layers');
  const isUsed = config.boolean('use_sliding_window', false);
  const from = config.number('max_window_layers', 28);
  const given = windowOf(config, 4096);
  const window = isUsed ? given : undefined;
  // Some files name the rotation of Qwen's vision models, switched off.
  config.only('use_mrope', false);
  return layerWindows(config, layers, window, (layer) => window !== undefined && layer >= from);
}

export const qwen2: Reader = (config) =>
  llamaLike(config, {
    architecture: 'qwen2',
    biases: { qkv: true, out: false, mlp: false },
    windows: qwenWindows(config),
  });

export const qwen3: Reader = (config) =>
  llamaLike(config, {
    architecture: 'qwen3',
    biases: attentionBias(config),
    queryKeyNorm: 'head',
    headWidth: 128,
    windows: qwenWindows(config),
  });

function gemmaActivation(config: ConfigReader): Description['activation'] {
  const chosen = activation(config, 'hidden_activation', 'gelu_pytorch_tanh');
  // Early Gemma files name an activation that the published code overrides with the tanh form.
  config.raw('hidden_act');
  return chosen;
}

export const gemma2: Reader = (config) => {
  const layers = config.integer('num_hidden_layers');
  const window = windowOf(config, 4096);
  config.only('use_bidirectional_attention', false);
  return llamaLike(config, {
    architecture: 'gemma2',
    headWidth: 256,
    attentionSoftCap: orDefault(config, 'attn_logit_softcapping', 50),
    finalSoftCap: orDefault(config, 'final_logit_softcapping', 30),
    biases: attentionBias(config),
    windows: layerWindows(config, layers, window, (layer) => layer % 2 === 0),
    activation: gemmaActivation(config),
    plusOne: true,
    order: 'sandwich',
    scale: config.number('query_pre_attn_scalar', 256) ** -0.5,
    tiedByDefault: true,
  });
};

/** Full layers have a larger base, and the scaling if there is one; sliding ones are never scaled in older files. */
function gemma3Ropes(config: ConfigReader): [full: Rope, local: Rope] {
  const width = rotatedWidth(config, config.integer('head_dim', 256), 1);
  const context = config.integer('max_position_embeddings');
  const bases = [config.number('rope_theta', 1_000_000), config.number('rope_local_base_freq', 10_000)] as const;
  const nested = config.object('rope_parameters');
  if (nested === undefined) {
    return [
      readRope(config.object('rope_scaling'), bases[0], width, context),
      readRope(undefined, bases[1], width, context),
    ];
  }
  if (config.has('rope_scaling')) throw config.refuse('rope_scaling', 'rope_parameters is there as well');
  const part = (name: string, base: number): Rope => {
    const own = nested.object(name);
    return readRope(own, own?.number('rope_theta', base) ?? base, width, context);
  };
  const ropes: [Rope, Rope] = [part('full_attention', bases[0]), part('sliding_attention', bases[1])];
  nested.finish();
  return ropes;
}

export const gemma3: Reader = (config) => {
  const layers = config.integer('num_hidden_layers');
  const window = windowOf(config, 4096);
  const every = config.has('_sliding_window_pattern')
    ? config.integer('_sliding_window_pattern')
    : config.integer('sliding_window_pattern', 6);
  config.raw('sliding_window_pattern');
  config.only('use_bidirectional_attention', false);
  // Files carry it over from Gemma 2, and the published code applies it nowhere.
  config.raw('attn_logit_softcapping');
  const windows = layerWindows(config, layers, window, (layer) => (layer + 1) % every !== 0);
  const [full, local] = gemma3Ropes(config);
  return llamaLike(config, {
    architecture: 'gemma3_text',
    headWidth: 256,
    finalSoftCap: config.optionalNumber('final_logit_softcapping'),
    biases: attentionBias(config),
    windows,
    ropes: windows.map((size) => (size === undefined ? full : local)),
    activation: gemmaActivation(config),
    plusOne: true,
    order: 'sandwich',
    queryKeyNorm: 'head',
    scale: config.number('query_pre_attn_scalar', 256) ** -0.5,
    tiedByDefault: true,
  });
};

export const phi3: Reader = (config) => {
  const layers = config.integer('num_hidden_layers');
  const window = windowOf(config);
  // Phi-3's code has no biases; Phi-4-mini's files say so in settings of their own.
  for (const name of ['attention_bias', 'mlp_bias', 'lm_head_bias']) config.only(name, false);
  for (const name of ['full_attn_mod', 'interpolate_factor']) config.only(name, 1);
  const original = config.has('original_max_position_embeddings')
    ? { originalContext: config.integer('original_max_position_embeddings') }
    : {};
  return llamaLike(config, {
    architecture: 'phi3',
    biases: { qkv: false, out: false, mlp: false },
    isFused: true,
    epsilon: 1e-5,
    windows: layerWindows(config, layers, window, () => window !== undefined),
    rope: { share: 1, isLongrope: true, ...original },
  });
};

export const olmo2: Reader = (config) =>
  llamaLike(config, {
    architecture: 'olmo2',
    biases: attentionBias(config),
    queryKeyNorm: 'width',
    order: 'post',
    epsilon: 1e-5,
  });
