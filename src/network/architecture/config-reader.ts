/**
 * Reads a `config.json` value by value, and at the end refuses what nobody read: a setting that is ignored would
 * give numbers that look right and are not.
 */
import { FiducialError, show } from '../../core/errors.ts';

/** Settings that change nothing in what is computed here: training, generation, bookkeeping of other libraries. */
const INERT = new Set([
  'architectures', 'auto_map', 'bos_token_id', 'eos_token_id', 'pad_token_id', 'sep_token_id', 'cls_token_id',
  'decoder_start_token_id', 'unk_token_id', 'mask_token_id', 'dtype', 'torch_dtype', 'transformers_version',
  'initializer_range', 'use_cache', 'attn_pdrop', 'embd_pdrop', 'resid_pdrop', 'attention_dropout', 'hidden_dropout',
  'classifier_dropout', 'output_attentions', 'output_hidden_states', 'return_dict', 'task_specific_params',
  'summary_activation', 'summary_first_dropout', 'summary_proj_to_labels', 'summary_type', 'summary_use_proj',
  '_name_or_path', 'name_or_path', 'model_type', 'id2label', 'label2id', 'problem_type', 'finetuning_task', 'tokenizer_class',
  'prefix', 'cache_implementation', 'keys_to_ignore_at_inference', 'gradient_checkpointing', '_attn_implementation',
  'attn_implementation', '_attn_implementation_autoset', 'embedding_dropout', 'unsloth_fixed', 'unsloth_version',
  'n_ctx', 'bos_token', 'eos_token', 'language', 'license', 'do_sample', 'max_length', 'temperature', 'top_k', 'top_p',
  'num_beams', 'repetition_penalty', 'no_repeat_ngram_size', 'chunk_size_feed_forward', 'is_decoder',
  'num_labels', 'cross_attention_hidden_size', 'tie_encoder_decoder', 'torchscript', 'use_bfloat16', 'tf_legacy_loss',
  'typical_p', 'early_stopping', 'length_penalty', 'min_length', 'num_beam_groups', 'diversity_penalty',
  'num_return_sequences', 'output_scores', 'return_dict_in_generate', 'forced_bos_token_id', 'forced_eos_token_id',
  'bad_words_ids', 'suppress_tokens', 'begin_suppress_tokens', 'encoder_no_repeat_ngram_size', 'remove_invalid_values',
  'exponential_decay_length_penalty', 'experts_implementation', '_experts_implementation', 'transformers.js_config',
  'is_llama_config', 'model_max_length',
]); // prettier-ignore

type JsonObject = { readonly [key: string]: unknown };

export class ConfigReader {
  readonly place: string;
  readonly #values: JsonObject;
  readonly #read = new Set<string>();

  constructor(values: JsonObject, place: string) {
    this.#values = values;
    this.place = place;
  }

  /** Whether a value is there and not null. */
  has(name: string): boolean {
    this.#read.add(name);
    const value = this.#values[name];
    return value !== undefined && value !== null;
  }

  raw(name: string): unknown {
    this.#read.add(name);
    return this.#values[name];
  }

  refuse(
    name: string,
    why: string,
    hint = 'This engine would compute something else than the model that was trained.',
  ): FiducialError {
    return new FiducialError('network.config', `${this.place}: ${name} is ${show(this.#values[name])}: ${why}`, hint);
  }

  integer(name: string, fallback?: number): number {
    const value = this.number(name, fallback);
    if (!Number.isSafeInteger(value) || value < 1) throw this.refuse(name, 'it must be a whole number above 0');
    return value;
  }

  number(name: string, fallback?: number): number {
    if (!this.has(name)) {
      if (fallback !== undefined) return fallback;
      throw this.refuse(name, 'it is needed', 'Add it to the file, as the library that wrote the checkpoint has it.');
    }
    const value = this.#values[name];
    if (typeof value !== 'number' || !Number.isFinite(value)) throw this.refuse(name, 'it must be a number');
    return value;
  }

  optionalNumber(name: string): number | undefined {
    return this.has(name) ? this.number(name) : undefined;
  }

  boolean(name: string, fallback: boolean): boolean {
    if (!this.has(name)) return fallback;
    const value = this.#values[name];
    if (typeof value !== 'boolean') throw this.refuse(name, 'it must be true or false');
    return value;
  }

  /** One of the words that are understood. */
  word<W extends string>(name: string, known: readonly W[], fallback?: W): W {
    if (!this.has(name) && fallback !== undefined) return fallback;
    const value = this.raw(name);
    const found = known.find((word) => word === value);
    if (found === undefined) throw this.refuse(name, `only ${known.join(', ')} are understood`);
    return found;
  }

  list<W extends string>(name: string, length: number, known: readonly W[]): W[] | undefined {
    if (!this.has(name)) return undefined;
    const value = this.#values[name];
    if (!Array.isArray(value) || value.length !== length) throw this.refuse(name, `it must be a list of ${length}`);
    return value.map((item: unknown) => {
      const found = known.find((word) => word === item);
      if (found === undefined)
        throw this.refuse(name, `${show(item)} in it is not understood, only ${known.join(', ')}`);
      return found;
    });
  }

  numbers(name: string, length: number): number[] {
    const value = this.raw(name);
    if (
      !Array.isArray(value) ||
      value.length !== length ||
      value.some((item) => typeof item !== 'number' || !(item > 0))
    ) {
      throw this.refuse(name, `it must be a list of ${length} positive numbers`);
    }
    return value as number[];
  }

  /** Accepts the setting only with this value (or absent). */
  only(name: string, value: unknown): void {
    if (this.has(name) && this.#values[name] !== value) throw this.refuse(name, `only ${show(value)} is supported`);
  }

  /** A nested object, read with the same rules. */
  object(name: string): ConfigReader | undefined {
    if (!this.has(name)) return undefined;
    const value = this.#values[name];
    if (typeof value !== 'object' || Array.isArray(value)) throw this.refuse(name, 'it must be an object');
    return new ConfigReader(value as JsonObject, `${this.place} ${name}`);
  }

  /** Throws for the first setting that was neither read nor is known to change nothing. */
  finish(): void {
    for (const [name, value] of Object.entries(this.#values)) {
      if (this.#read.has(name) || INERT.has(name) || value === null) continue;
      throw this.refuse(
        name,
        'this engine does not know the setting',
        'Remove it if it changes nothing, or open an issue with the model.',
      );
    }
  }
}
