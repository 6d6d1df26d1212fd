/**
 * The supported architectures, each a reading of its `config.json` into a {@link Description}.
 * Sources: the published definitions (Radford et al. 2019; Black et al. 2022; Touvron et al. 2023; Jiang et al. 2023;
 * Qwen2 and Qwen3 reports; Gemma 2 and 3 reports; Abdin et al. 2024; OLMo 2 report) and the layout of files as
 * transformers writes them.
 */
import { FiducialError, nearestWord, show } from '../../core/errors.ts';
import { ConfigReader } from './config-reader.ts';
import type { BlockNames, Description, Norm, Projection } from './description.ts';
import { readRope, type Rope } from './rope.ts';

type Reader = (config: ConfigReader) => Description;

const linear = (name: string, hasBias = false): Projection =>
  hasBias ? { weight: `${name}.weight`, bias: `${name}.bias` } : { weight: `${name}.weight` };
const scaleOnly = (name: string): Norm => ({ weight: `${name}.weight` });
const scaleAndBias = (name: string): Norm => ({ weight: `${name}.weight`, bias: `${name}.bias` });

const ACTIVATIONS = {
  gelu: 'gelu',
  gelu_new: 'gelu-tanh',
  gelu_fast: 'gelu-tanh',
  gelu_pytorch_tanh: 'gelu-tanh',
  silu: 'silu',
  swish: 'silu',
  relu: 'relu',
} as const;

function activation(
  config: ConfigReader,
  name: string,
  fallback?: keyof typeof ACTIVATIONS,
): Description['activation'] {
  return ACTIVATIONS[config.word(name, Object.keys(ACTIVATIONS) as (keyof typeof ACTIVATIONS)[], fallback)];
}

const gpt2: Reader = (config) => {
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

const gptNeox: Reader = (config) => {
  const [width, layers, heads] = [
    config.integer('hidden_size'),
    config.integer('num_hidden_layers'),
    config.integer('num_attention_heads'),
  ];
  const headWidth = wholeHeads(config, 'num_attention_heads', width, heads);
  const context = config.integer('max_position_embeddings');
  const { base, scaling } = ropeBase(config, 'rotary_emb_base');
  const share = scaling?.optionalNumber('partial_rotary_factor') ?? config.number('rotary_pct', 0.25);
  config.raw('rotary_pct');
  const rope = readRope(config, scaling, base, Math.floor(headWidth * share), context);
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
    context,
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
  readonly rotaryShare?: number;
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
    : wholeHeads(config, 'num_attention_heads', width, heads);
  const keyHeads = config.integer('num_key_value_heads', heads);
  if (heads % keyHeads !== 0) throw config.refuse('num_key_value_heads', `${heads} heads do not divide into it`);
  const context = config.integer('max_position_embeddings');
  const isTied = config.boolean('tie_word_embeddings', family.tiedByDefault ?? false);
  const order = family.order ?? 'pre';
  const ropes = family.ropes ?? sameRope(config, layers, headWidth, family.rotaryShare ?? 1, context);
  config.raw('pretraining_tp'); // how the published weights were once split over devices
  const { biases } = family;
  const attentionSoftCap = config.optionalNumber('attn_logit_softcapping');
  const finalSoftCap = config.optionalNumber('final_logit_softcapping');
  return {
    architecture: family.architecture,
    vocabulary: config.integer('vocab_size'),
    width,
    layers,
    heads,
    keyHeads,
    headWidth,
    innerWidth: config.integer('intermediate_size'),
    context,
    norm: { kind: 'rms', epsilon: config.number('rms_norm_eps', 1e-6), plusOne: family.plusOne ?? false },
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

const attentionBias = (config: ConfigReader, mlp = false): LlamaFamily['biases'] => {
  const hasBias = config.boolean('attention_bias', false);
  return { qkv: hasBias, out: hasBias, mlp };
};

const llama: Reader = (config) =>
  llamaLike(config, { architecture: 'llama', biases: attentionBias(config, config.boolean('mlp_bias', false)) });

const mistral: Reader = (config) => {
  const layers = config.integer('num_hidden_layers');
  const window = config.has('sliding_window') ? config.integer('sliding_window') : undefined;
  return llamaLike(config, {
    architecture: 'mistral',
    biases: { qkv: false, out: false, mlp: false },
    windows: layerWindows(config, layers, window, () => window !== undefined),
  });
};

/** Qwen 2 and 3 use a window only when told so, and then from `max_window_layers` on. */
function qwenWindows(config: ConfigReader): (number | undefined)[] {
  const layers = config.integer('num_hidden_layers');
  const isUsed = config.boolean('use_sliding_window', false);
  const from = config.has('max_window_layers') ? config.number('max_window_layers') : 0;
  const window = isUsed && config.has('sliding_window') ? config.integer('sliding_window') : undefined;
  config.raw('sliding_window');
  return layerWindows(config, layers, window, (layer) => window !== undefined && layer >= from);
}

const qwen2: Reader = (config) =>
  llamaLike(config, {
    architecture: 'qwen2',
    biases: { qkv: true, out: false, mlp: false },
    windows: qwenWindows(config),
  });

const qwen3: Reader = (config) =>
  llamaLike(config, {
    architecture: 'qwen3',
    biases: attentionBias(config),
    queryKeyNorm: 'head',
    windows: qwenWindows(config),
  });

function gemmaActivation(config: ConfigReader): Description['activation'] {
  const chosen = activation(config, 'hidden_activation', 'gelu_pytorch_tanh');
  // Early Gemma files name an activation that the published code overrides with the tanh form.
  config.raw('hidden_act');
  return chosen;
}

const gemma2: Reader = (config) => {
  const layers = config.integer('num_hidden_layers');
  const window = config.integer('sliding_window', 4096);
  config.only('use_bidirectional_attention', false);
  return llamaLike(config, {
    architecture: 'gemma2',
    biases: attentionBias(config),
    windows: layerWindows(config, layers, window, (layer) => layer % 2 === 0),
    activation: gemmaActivation(config),
    plusOne: true,
    order: 'sandwich',
    scale: config.number('query_pre_attn_scalar', 256) ** -0.5,
    tiedByDefault: true,
  });
};

const gemma3: Reader = (config) => {
  const layers = config.integer('num_hidden_layers');
  const window = config.integer('sliding_window', 4096);
  const every = config.has('_sliding_window_pattern')
    ? config.integer('_sliding_window_pattern')
    : config.integer('sliding_window_pattern', 6);
  config.raw('sliding_window_pattern');
  config.only('use_bidirectional_attention', false);
  const windows = layerWindows(config, layers, window, (layer) => (layer + 1) % every !== 0);
  const headWidth = config.integer('head_dim', 256);
  const context = config.integer('max_position_embeddings');
  let full: Rope;
  let local: Rope;
  const nested = config.object('rope_parameters');
  if (nested !== undefined) {
    const part = (name: string, base: number): Rope => {
      const own = nested.object(name);
      return readRope(config, own, own?.number('rope_theta', base) ?? base, headWidth, context);
    };
    full = part('full_attention', 1_000_000);
    local = part('sliding_attention', 10_000);
    nested.finish();
    for (const older of ['rope_scaling', 'rope_theta', 'rope_local_base_freq']) config.raw(older);
  } else {
    full = readRope(config, config.object('rope_scaling'), config.number('rope_theta', 1_000_000), headWidth, context);
    local = readRope(config, undefined, config.number('rope_local_base_freq', 10_000), headWidth, context);
  }
  return llamaLike(config, {
    architecture: 'gemma3_text',
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

const phi3: Reader = (config) => {
  const layers = config.integer('num_hidden_layers');
  const window = config.has('sliding_window') ? config.integer('sliding_window') : undefined;
  config.raw('original_max_position_embeddings');
  return llamaLike(config, {
    architecture: 'phi3',
    biases: attentionBias(config),
    isFused: true,
    windows: layerWindows(config, layers, window, () => window !== undefined),
    rotaryShare: config.number('partial_rotary_factor', 1),
  });
};

const olmo2: Reader = (config) =>
  llamaLike(config, { architecture: 'olmo2', biases: attentionBias(config), queryKeyNorm: 'width', order: 'post' });

/** Every supported `model_type`. */
const READERS: { readonly [type: string]: Reader } = {
  gpt2,
  gpt_neox: gptNeox,
  llama,
  mistral,
  qwen2,
  qwen3,
  gemma2,
  gemma3_text: gemma3,
  phi3,
  olmo2,
};

export const supportedArchitectures: readonly string[] = Object.keys(READERS);

/**
 * The description of a parsed `config.json`. Throws `network.config` for an architecture or setting that is not
 * understood, naming it.
 */
export function describe(config: { readonly [key: string]: unknown }, place = 'config.json'): Description {
  const type = config['model_type'];
  const read = typeof type === 'string' ? READERS[type] : undefined;
  if (read === undefined) {
    const near = typeof type === 'string' ? nearestWord(type, supportedArchitectures) : undefined;
    throw new FiducialError(
      'network.config',
      `${place}: model_type is ${show(type)}, which is not supported`,
      `Supported are ${supportedArchitectures.join(', ')}${near === undefined ? '' : `; nearest is ${near}`}.`,
    );
  }
  if (config['quantization_config'] !== undefined && config['quantization_config'] !== null) {
    throw new FiducialError(
      'network.config',
      `${place}: quantization_config: quantised checkpoints are not read`,
      'Use the float16, bfloat16 or float32 checkpoint of the same model.',
    );
  }
  const reader = new ConfigReader(config, place);
  const description = read(reader);
  reader.finish();
  return description;
}

const each = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));

function wholeHeads(config: ConfigReader, name: string, width: number, heads: number): number {
  if (width % heads !== 0) throw config.refuse(name, `the width ${width} does not divide by it`);
  return width / heads;
}

/** The base frequency, in newer files inside `rope_parameters`, in older ones beside `rope_scaling`. */
function ropeBase(config: ConfigReader, olderName: string): { base: number; scaling: ConfigReader | undefined } {
  const scaling = config.object('rope_parameters') ?? config.object('rope_scaling');
  config.raw('rope_scaling');
  const base = scaling?.optionalNumber('rope_theta') ?? config.number(olderName, 10_000);
  config.raw(olderName);
  config.raw('rope_theta');
  return { base, scaling };
}

function sameRope(config: ConfigReader, layers: number, headWidth: number, share: number, context: number): Rope[] {
  const { base, scaling } = ropeBase(config, 'rope_theta');
  const rotated = Math.floor(headWidth * (scaling?.optionalNumber('partial_rotary_factor') ?? share));
  const rope = readRope(config, scaling, base, rotated, context);
  return each(layers, () => rope);
}

/** Windows by `layer_types` where the file has it, else by the architecture's own rule. */
function layerWindows(
  config: ConfigReader,
  layers: number,
  window: number | undefined,
  isWindowed: (layer: number) => boolean,
): (number | undefined)[] {
  const types = config.list('layer_types', layers, ['full_attention', 'sliding_attention']);
  return each(layers, (layer) => {
    const slides = types === undefined ? isWindowed(layer) : types[layer] === 'sliding_attention';
    if (slides && window === undefined)
      throw config.refuse('layer_types', `layer ${layer} slides, and there is no sliding_window`);
    return slides ? window : undefined;
  });
}
