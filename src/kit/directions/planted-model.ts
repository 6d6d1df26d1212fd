/**
 * An open model made by hand, whose inside is known exactly: each word has the vector that it is given, one head adds
 * up the vectors of a text, and the answer is read along a direction. What an instrument finds in it can be held
 * against what was put there.
 *
 * A Llama of one head without MLPs. A large constant in a dimension of its own makes every norm the same number, up to
 * |x|^2 / 2 K^2, so that the stream is linear in the words' vectors. Needs no file.
 */
import { createHash } from 'node:crypto';
import { FiducialError } from '../../core/errors.ts';
import { fromData, type Tensor } from '../../engine/index.ts';
import { describe, Network, parameterShapes } from '../../network/index.ts';
import { type LoadedTokenizer, tokenizerFromJson } from '../../network/tokenizer/index.ts';
import { modelOf, type OpenModel } from '../../models/open/index.ts';

export interface PlantedModelShape {
  /** Dimensions of the words' vectors; even. */
  readonly width: number;
  readonly layers?: number;
  /** Each word of the vocabulary with its vector [width]; control tokens have none. */
  readonly words: ReadonlyMap<string, ArrayLike<number>>;
  /** The layer in which the last position is given the sum over the text, and the number of tokens that makes it one. */
  readonly sum?: { readonly layer: number; readonly tokens: number };
  /** What is said next: logit = reading . stream + bias. Words that are not here are not said. */
  readonly answers: ReadonlyMap<string, { readonly reading: ArrayLike<number>; readonly bias?: number }>;
  /** Whether the turn ends behind an answer. @default true */
  readonly endsTurn?: boolean;
}

export const plantedControls = { user: '<|user|>', end: '<|end|>', assistant: '<|assistant|>' } as const;
const UNKNOWN = '[unknown]';
const TEMPLATE =
  "{% for m in messages %}{{ '<|' + ('assistant' if m.role == 'assistant' else 'user') + '|> ' + m.content + ' <|end|> ' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}";

/** The constant K. */
const CONSTANT = 256;
/** Logits of what is never said. */
const NEVER = -30;

/**
 * The model.
 *
 * @example
 * plantedModel({ width: 4, words: new Map([['red', [1, 0, 0, 0]]]), answers: new Map([['yes', { reading: [5, 0, 0, 0] }]]) });
 */
export function plantedModel(shape: PlantedModelShape): OpenModel {
  const { width, layers = 4, words, answers, sum, endsTurn = true } = shape;
  if (width % 2 !== 0) throw new FiducialError('planted.bad-width', `The width ${width} is odd`, 'Give an even one.');
  const names = [UNKNOWN, ...Object.values(plantedControls), ...new Set([...words.keys(), ...answers.keys()])];
  const ids = new Map(names.map((name, id) => [name, id]));
  const [constant, stop, hidden] = [width, width + 1, width + 2];
  const config = {
    model_type: 'llama',
    vocab_size: names.length,
    hidden_size: hidden,
    intermediate_size: 2,
    num_hidden_layers: layers,
    num_attention_heads: 1,
    max_position_embeddings: 512,
    rms_norm_eps: 1e-6,
    tie_word_embeddings: false,
    eos_token_id: ids.get(plantedControls.end)!,
  };
  // What a norm does to the stream: every entry is divided by this.
  const divisor = CONSTANT / Math.sqrt(hidden);
  const parameters = new Map<string, Tensor>();
  for (const [name, sizes] of parameterShapes(describe(config))) {
    const data = new Float32Array(sizes.reduce((product, size) => product * size, 1));
    if (name.includes('norm')) data.fill(1);
    const layer = Number(/layers\.(\d+)\./.exec(name)?.[1] ?? -1);
    if (name.endsWith('embed_tokens.weight')) {
      names.forEach((word, id) => {
        data.set(Array.from(words.get(word) ?? []), id * hidden);
        data[id * hidden + constant] = CONSTANT;
        if (endsTurn && answers.has(word)) data[id * hidden + stop] = 1;
      });
    } else if (layer === sum?.layer && name.endsWith('v_proj.weight')) {
      for (let i = 0; i < width; i++) data[i * hidden + i] = divisor;
    } else if (layer === sum?.layer && name.endsWith('o_proj.weight')) {
      for (let i = 0; i < width; i++) data[i * hidden + i] = sum.tokens;
    } else if (name === 'lm_head.weight') {
      names.forEach((word, id) => {
        const answer = answers.get(word);
        for (let i = 0; i < width; i++) data[id * hidden + i] = (answer?.reading[i] ?? 0) * divisor;
        data[id * hidden + constant] = (answer === undefined ? NEVER : (answer.bias ?? 0)) / Math.sqrt(hidden);
        if (word === plantedControls.end) data[id * hidden + stop] = 100 * divisor;
      });
    }
    parameters.set(name, fromData(data, sizes, 'float32'));
  }
  const network = new Network(describe(config), config, parameters);
  return modelOf(`planted@${hashOf(parameters)}`, network, wordTokenizer(ids));
}

function hashOf(parameters: ReadonlyMap<string, Tensor>): string {
  const hash = createHash('sha256');
  for (const [name, { data }] of parameters) {
    hash.update(name).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex').slice(0, 12);
}

/** A token a word, words parted by blanks. */
function wordTokenizer(ids: ReadonlyMap<string, number>): LoadedTokenizer {
  const controls = Object.values(plantedControls);
  const tokenizer = tokenizerFromJson({
    version: '1.0',
    added_tokens: controls.map((content) => ({ id: ids.get(content), content, special: true, normalized: false })),
    normalizer: null,
    pre_tokenizer: { type: 'WhitespaceSplit' },
    post_processor: null,
    decoder: null,
    model: { type: 'WordLevel', vocab: Object.fromEntries(ids), unk_token: UNKNOWN },
  });
  return Object.assign(tokenizer, { chatTemplate: TEMPLATE, eosToken: plantedControls.end });
}
