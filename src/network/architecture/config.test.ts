/**
 * Which configurations are read and which are refused by name: whole files as transformers 5 writes them (every field
 * of its configuration classes), older ones as they lie on the hub, what an absent setting means, and values that
 * would make another model.
 */
import { describe as suite, expect, it } from 'vitest';
import { FiducialError } from '../../core/errors.ts';
import { describe, supportedArchitectures } from './architectures.ts';
import type { Description } from './description.ts';

type Config = { readonly [key: string]: unknown };

/** What transformers 5 writes for every model. */
const COMMON = {
  architectures: ['SomeForCausalLM'], bos_token_id: 1, eos_token_id: [2, 3], pad_token_id: null, dtype: 'bfloat16',
  transformers_version: '5.17.0', use_cache: true, initializer_range: 0.02, vocab_size: 100,
}; // prettier-ignore

const LLAMA = {
  ...COMMON, attention_dropout: 0.0, hidden_act: 'silu', hidden_size: 64, intermediate_size: 96,
  max_position_embeddings: 256, num_attention_heads: 4, num_hidden_layers: 6, num_key_value_heads: 2,
  rms_norm_eps: 1e-6, tie_word_embeddings: false, rope_parameters: { rope_theta: 10000.0, rope_type: 'default' },
}; // prettier-ignore

const LAYERS = (kinds: string): string[] =>
  [...kinds].map((kind) => (kind === 's' ? 'sliding_attention' : 'full_attention'));

const { hidden_act: _, ...GEMMA } = {
  ...LLAMA, attention_bias: false, head_dim: 32, hidden_activation: 'gelu_pytorch_tanh', query_pre_attn_scalar: 256,
  sliding_window: 4096, tie_word_embeddings: true, final_logit_softcapping: 30.0, attn_logit_softcapping: 50.0,
}; // prettier-ignore

/** One whole file of every model type. */
const WRITTEN: { readonly [type: string]: Config } = {
  gpt2: {
    ...COMMON, model_type: 'gpt2', activation_function: 'gelu_new', add_cross_attention: false, attn_pdrop: 0.1,
    embd_pdrop: 0.1, layer_norm_epsilon: 1e-5, n_embd: 64, n_head: 4, n_inner: null, n_layer: 6, n_positions: 256,
    reorder_and_upcast_attn: false, resid_pdrop: 0.1, scale_attn_by_inverse_layer_idx: false, scale_attn_weights: true,
    summary_activation: null, summary_first_dropout: 0.1, summary_proj_to_labels: true, summary_type: 'cls_index',
    summary_use_proj: true, tie_word_embeddings: true,
  },
  gpt_neox: {
    ...COMMON, model_type: 'gpt_neox', attention_bias: true, attention_dropout: 0.0, classifier_dropout: 0.1,
    hidden_act: 'gelu', hidden_dropout: 0.0, hidden_size: 64, intermediate_size: 96, is_decoder: false,
    layer_norm_eps: 1e-5, max_position_embeddings: 256, num_attention_heads: 4, num_hidden_layers: 6,
    rope_parameters: { partial_rotary_factor: 0.25, rope_theta: 10000, rope_type: 'default' },
    tie_word_embeddings: false, use_parallel_residual: true,
  },
  llama: { ...LLAMA, model_type: 'llama', attention_bias: false, head_dim: 16, mlp_bias: false, pretraining_tp: 1 },
  mistral: { ...LLAMA, model_type: 'mistral', head_dim: 16, sliding_window: 4096 },
  qwen2: {
    ...LLAMA, model_type: 'qwen2', layer_types: LAYERS('ffffff'), max_window_layers: 28, sliding_window: null,
    use_mrope: false, use_sliding_window: false,
  },
  qwen3: {
    ...LLAMA, model_type: 'qwen3', attention_bias: false, head_dim: 32, layer_types: LAYERS('ffssss'),
    max_window_layers: 2, sliding_window: 32, use_sliding_window: true,
  },
  gemma2: { ...GEMMA, model_type: 'gemma2', layer_types: LAYERS('sfsfsf'), use_bidirectional_attention: null },
  gemma3_text: {
    ...GEMMA, model_type: 'gemma3_text', _sliding_window_pattern: 6, layer_types: LAYERS('sssssf'),
    final_logit_softcapping: null, attn_logit_softcapping: null, use_bidirectional_attention: false,
    rope_parameters: {
      full_attention: { factor: 8.0, rope_theta: 1000000.0, rope_type: 'linear' },
      sliding_attention: { rope_theta: 10000.0, rope_type: 'default' },
    },
  },
  phi3: {
    ...LLAMA, model_type: 'phi3', embd_pdrop: 0.0, resid_pdrop: 0.0, original_max_position_embeddings: 64,
    partial_rotary_factor: 0.75, sliding_window: 128,
    rope_parameters: {
      long_factor: [1, 2, 3, 4, 5, 6], original_max_position_embeddings: 64, partial_rotary_factor: 0.75,
      rope_theta: 10000.0, rope_type: 'longrope', short_factor: [1, 1, 1, 1, 1, 1], type: 'su',
    },
  },
  olmo2: { ...LLAMA, model_type: 'olmo2', attention_bias: false },
}; // prettier-ignore

suite('files as transformers 5 writes them', () => {
  it('are here for every architecture', () => {
    expect(Object.keys(WRITTEN).sort()).toEqual([...supportedArchitectures].sort());
  });

  it.each(Object.keys(WRITTEN))('%s is read', (type) => {
    const description = describe(WRITTEN[type]!);
    expect(description).toMatchObject({ architecture: type, width: 64, layers: 6, heads: 4, vocabulary: 100 });
  });

  it('say windows, norms and shares as their classes do', () => {
    const read = (type: string): Description => describe(WRITTEN[type]!);
    const slides = (type: string): string =>
      read(type)
        .windows.map((window) => (window === undefined ? 'f' : 's'))
        .join('');
    expect(['mistral', 'qwen2', 'qwen3', 'gemma2', 'gemma3_text', 'phi3'].map(slides)).toEqual([
      'ssssss',
      'ffffff',
      'ffssss',
      'sfsfsf',
      'sssssf',
      'ssssss',
    ]);
    expect([read('gemma2').attentionSoftCap, read('gemma2').finalSoftCap]).toEqual([50, 30]);
    expect(read('gemma3_text').attentionScale[0]).toBeCloseTo(1 / 16, 12);
  });
});

suite('older files', () => {
  const older = (type: string, change: Config, without: readonly string[] = []): Description =>
    describe(
      Object.fromEntries(
        Object.entries({ ...WRITTEN[type], ...change }).filter(
          ([key]) => !['rope_parameters', 'layer_types', 'dtype', ...without].includes(key),
        ),
      ),
    );
  const ropesOf = (description: Description): readonly { readonly base: number; readonly width: number }[] =>
    'ropes' in description.positions ? description.positions.ropes : [];

  it('of Pythia are read, with and without the names that later releases added', () => {
    const change = { rotary_pct: 0.25, rotary_emb_base: 5000, torch_dtype: 'float16' };
    const first = older('gpt_neox', change, ['attention_bias', 'classifier_dropout', 'is_decoder', 'hidden_dropout']);
    const later = older('gpt_neox', { ...change, rope_theta: 5000, partial_rotary_factor: 0.25, rope_scaling: null });
    expect(ropesOf(first)).toEqual(ropesOf(later));
    expect(ropesOf(first)[0]).toMatchObject({ base: 5000, width: 4 });
  });

  it('of Gemma 3 have a base for each kind of layer and a pattern', () => {
    const description = older(
      'gemma3_text',
      { sliding_window_pattern: 3, rope_theta: 5e5, rope_local_base_freq: 300, cache_implementation: 'hybrid' },
      ['_sliding_window_pattern', 'use_bidirectional_attention'],
    );
    expect(ropesOf(description).map(({ base }) => base)).toEqual([300, 300, 5e5, 300, 300, 5e5]);
  });

  it('mean the defaults of their architecture by what they leave out, and null by null', () => {
    const windows = (description: Description): number | undefined => description.windows[0];
    expect(windows(older('mistral', {}, ['sliding_window']))).toBe(4096);
    expect(windows(older('mistral', { sliding_window: null }))).toBeUndefined();
    const caps = ({ attentionSoftCap, finalSoftCap }: Description): unknown => [attentionSoftCap, finalSoftCap];
    expect(caps(older('gemma2', {}, ['attn_logit_softcapping', 'final_logit_softcapping']))).toEqual([50, 30]);
    expect(caps(older('gemma2', { attn_logit_softcapping: null, final_logit_softcapping: null }))).toEqual([
      undefined,
      undefined,
    ]);
    expect(older('gemma2', {}, ['head_dim']).headWidth).toBe(256);
    expect(older('olmo2', {}, ['rms_norm_eps']).norm.epsilon).toBe(1e-5);
    const qwen = { use_sliding_window: true, sliding_window: 8 };
    expect(older('qwen2', qwen, ['max_window_layers']).windows).toEqual(Array(6).fill(undefined));
    expect(older('qwen2', { ...qwen, max_window_layers: 4 }).windows.map((window) => window ?? 0)).toEqual([
      0, 0, 0, 0, 8, 8,
    ]);
    expect(older('gemma2', { hidden_act: 'gelu' }).activation).toBe('gelu-tanh');
  });

  it('of Phi-4-mini and SmolLM carry settings that are switched off', () => {
    const phi = {
      attention_bias: false,
      lm_head_bias: false,
      mlp_bias: false,
      full_attn_mod: 1,
      interpolate_factor: 1,
    };
    expect(older('phi3', phi).architecture).toBe('phi3');
    const smol = { is_llama_config: true, rope_interleaved: false, rope_scaling: null, 'transformers.js_config': {} };
    expect(older('llama', smol).architecture).toBe('llama');
  });
});

suite('how long a text may be', () => {
  it.each([
    ['default', {}, 256],
    ['linear', { factor: 4 }, 1024],
    ['dynamic', { factor: 2.5 }, 2048],
    ['dynamic', { factor: 10 }, 2560],
    ['yarn', { factor: 4, original_max_position_embeddings: 64 }, 256],
    ['yarn', { factor: 4 }, 1024],
    ['llama3', { factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 32 }, 256],
  ])('with a %s rope', (rope_type, settings, reach) => {
    const rope_parameters = { rope_type, rope_theta: 10000, ...settings };
    expect(describe({ ...WRITTEN['llama'], rope_parameters }).context).toBe(reach);
  });
});

suite('refused by name', () => {
  const rope = (type: string, change: Config): Config => ({
    rope_parameters: { ...(WRITTEN[type]!['rope_parameters'] as Config), ...change },
  });
  const CASES: readonly (readonly [type: string, named: string, change: Config])[] = [
    ['llama', 'some_new_setting', { some_new_setting: 1 }],
    ['llama', 'sliding_window', { sliding_window: 16 }],
    ['llama', 'hidden_act', { hidden_act: 'quick_gelu' }],
    ['llama', 'rope_type', rope('llama', { rope_type: 'proportional' })],
    ['llama', 'new_factor', rope('llama', { new_factor: 2 })],
    ['llama', 'factor', rope('llama', { rope_type: 'linear' })],
    ['llama', 'type', rope('llama', { rope_type: 'linear', type: 'dynamic', factor: 2 })],
    ['llama', 'rope_theta', { rope_theta: 500 }],
    ['llama', 'rope_scaling', { rope_scaling: { type: 'linear', factor: 2 } }],
    ['llama', 'partial_rotary_factor', { partial_rotary_factor: 0.5 }],
    ['llama', 'rope_interleaved', { rope_interleaved: true }],
    ['llama', 'head_dim', { head_dim: 15 }],
    ['llama', 'num_key_value_heads', { num_key_value_heads: 3 }],
    ['llama', 'num_hidden_layers', { num_hidden_layers: 2.5 }],
    ['llama', 'hidden_size', { hidden_size: '64' }],
    ['llama', 'attention_bias', { attention_bias: 1 }],
    ['llama', 'quantization_config', { quantization_config: { bits: 4 } }],
    ['llama', 'is_encoder_decoder', { is_encoder_decoder: true }],
    ['llama', 'pruned_heads', { pruned_heads: { 0: [1] } }],
    ['llama', 'final_logit_softcapping', { final_logit_softcapping: 30 }],
    ['gpt2', 'add_cross_attention', { add_cross_attention: true }],
    ['gpt2', 'n_head', { n_head: 5 }],
    ['gpt_neox', 'rotary_pct', { rotary_pct: 0.5 }],
    ['gpt_neox', 'rotary_emb_base', { rotary_emb_base: 500 }],
    ['mistral', 'layer_types', { layer_types: LAYERS('sfsfsf') }],
    ['qwen2', 'use_mrope', { use_mrope: true }],
    ['qwen2', 'layer_types', { layer_types: LAYERS('ssffff') }],
    ['qwen3', 'layer_types', { layer_types: LAYERS('ff') }],
    ['qwen3', 'chunked_attention', { layer_types: [...LAYERS('fffff'), 'chunked_attention'] }],
    ['gemma2', 'use_bidirectional_attention', { use_bidirectional_attention: true }],
    ['gemma3_text', 'sliding_window', { sliding_window: 0 }],
    ['gemma3_text', 'other_attention', rope('gemma3_text', { other_attention: { rope_type: 'default' } })],
    ['phi3', 'long_factor', rope('phi3', { long_factor: [1, 2] })],
    ['phi3', 'attention_bias', { attention_bias: true }],
    ['phi3', 'lm_head_bias', { lm_head_bias: true }],
    ['olmo2', 'clip_qkv', { clip_qkv: 8 }],
  ];

  it.each(CASES)('%s: %s', (type, named, change) => {
    const failure = (() => {
      try {
        describe({ ...WRITTEN[type], ...change }, 'here/config.json');
      } catch (error) {
        return error;
      }
      return undefined;
    })();
    expect(failure).toBeInstanceOf(FiducialError);
    expect((failure as FiducialError).code).toBe('network.config');
    expect((failure as FiducialError).message).toContain('here/config.json');
    expect((failure as FiducialError).message).toContain(named);
  });

  it('an unknown architecture, with the nearest known one', () => {
    expect(() => describe({ ...WRITTEN['qwen2'], model_type: 'qwen22' })).toThrow(/model_type/);
    expect(() => describe({ ...WRITTEN['qwen2'], model_type: undefined })).toThrow(/model_type/);
  });
});
