/**
 * Small checkpoints for tests, written in Hugging Face's layout and opened like any other: one with random weights, and
 * one that walks a chain of tokens, so that what it says is known. Their tokenizer has a token a byte, and those that a
 * test adds; their template is ChatML with tools in Hermes' format.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { random } from '../src/core/random.ts';
import type { Json } from '../src/core/values.ts';
import { saveCheckpoint } from '../src/network/checkpoint/index.ts';
import { describe, parameterShapes } from '../src/network/index.ts';
import { BYTE_TO_CHARACTER } from '../src/network/tokenizer/bytes.ts';

const controls = ['<|endoftext|>', '<|im_start|>', '<|im_end|>', '<|answer|>'];

/** ChatML. After a tool's result the prompt ends with `<|answer|>`, so that a chain can go another way there. */
export const chatTemplate = `{%- if tools %}{{ '<|im_start|>system\\nTools: ' + (tools | tojson) + '<|im_end|>\\n' }}{% endif -%}
{%- for message in messages -%}
{{ '<|im_start|>' + message.role + '\\n' + message.content }}
{%- for call in message.tool_calls or [] %}{{ '<tool_call>' + (call.function | tojson) + '</tool_call>' }}{% endfor -%}
{{ '<|im_end|>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ '<|im_start|>assistant' + ('<|answer|>' if messages[-1].role == 'tool' else '\\n') }}
{%- endif -%}
{#- <think></think> -#}`;

export interface SmallModelOptions {
  readonly template?: string | undefined;
  readonly seed?: number;
  readonly width?: number;
  readonly layers?: number;
  readonly context?: number;
}

/** A Llama with random weights, decided enough that greedy choices have a margin. */
export async function writeRandomModel(folder: string, options: SmallModelOptions = {}): Promise<void> {
  const { width = 32, layers = 2, context = 256, seed = 1 } = options;
  const { json, size } = tokenizerFile([]);
  const config = {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    vocab_size: size,
    hidden_size: width,
    intermediate_size: 3 * width,
    num_hidden_layers: layers,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    max_position_embeddings: context,
    tie_word_embeddings: false,
  };
  const stream = random(seed).split('weights');
  const tensors = [...parameterShapes(describe(config))].map(([name, shape]) => {
    const count = shape.reduce((product, n) => product * n, 1);
    const deviation = shape.length === 1 ? 0.1 : 1.5 / Math.sqrt(width);
    const data = stream.split(name).fillNormal(new Float32Array(count), shape.length === 1 ? 1 : 0, deviation);
    return { name, dtype: 'F32' as const, shape, data };
  });
  await saveCheckpoint(folder, { config, tensors });
  await writeTokenizer(folder, json, options);
}

/**
 * A GPT-2 whose next token depends on the last one only: each list of texts is a chain, from one to the next.
 *
 * @param chains texts, each of one byte or made a token of its own; one text has one successor over all chains
 */
export async function writeChainModel(
  folder: string,
  chains: readonly (readonly string[])[],
  options: SmallModelOptions = {},
): Promise<void> {
  const words = [...new Set(chains.flat())].filter((text) => text.length > 1 && !controls.includes(text));
  const { json, size, idOf } = tokenizerFile(words);
  const { context = 512 } = options;
  const config = {
    architectures: ['GPT2LMHeadModel'],
    model_type: 'gpt2',
    vocab_size: size,
    n_positions: context,
    n_embd: size,
    n_layer: 1,
    n_head: 1,
    n_inner: 4,
    tie_word_embeddings: false,
  };
  const next = new Map<number, number>();
  for (const chain of chains) {
    for (let i = 0; i + 1 < chain.length; i++) next.set(idOf(chain[i]!), idOf(chain[i + 1]!));
  }
  const tensors = [...parameterShapes(describe(config))].map(([name, shape]) => {
    const data = new Float32Array(shape.reduce((product, n) => product * n, 1));
    if (/ln_\w+\.weight$/.test(name)) data.fill(1);
    if (name.endsWith('wte.weight')) for (let id = 0; id < size; id++) data[id * size + id] = 1;
    if (name === 'lm_head.weight') for (const [from, to] of next) data[to * size + from] = 4;
    return { name, dtype: 'F32' as const, shape, data };
  });
  await saveCheckpoint(folder, { config, tensors });
  await writeTokenizer(folder, json, options);
}

async function writeTokenizer(folder: string, json: Json, options: SmallModelOptions): Promise<void> {
  const template = 'template' in options ? options.template : chatTemplate;
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(json));
  await writeFile(
    join(folder, 'tokenizer_config.json'),
    JSON.stringify({ eos_token: '<|endoftext|>', ...(template === undefined ? {} : { chat_template: template }) }),
  );
}

/** A byte-level tokenizer without merges. */
function tokenizerFile(words: readonly string[]): { json: Json; size: number; idOf: (text: string) => number } {
  const vocabulary: Record<string, number> = {};
  for (let byte = 0; byte < 256; byte++) vocabulary[BYTE_TO_CHARACTER[byte]!] = byte;
  const added = [...controls, ...words].map((content, i) => ({
    id: 256 + i,
    content,
    special: controls.includes(content),
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
  }));
  const json = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added,
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      vocab: vocabulary,
      merges: [],
    },
  };
  const ids = new Map(added.map(({ content, id }) => [content, id]));
  return { json, size: 256 + added.length, idOf: (text) => ids.get(text) ?? text.charCodeAt(0) };
}
