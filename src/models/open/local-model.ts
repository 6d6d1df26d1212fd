/**
 * What a model with open weights can do besides chat, wherever it lives: in this thread (open-model.ts) or in a worker
 * of its own (in-worker.ts). Everything here can cross a thread.
 */
import type { Json } from '../../core/values.ts';
import type { LoadedTokenizer } from '../../network/tokenizer/index.ts';
import type { Network } from '../../network/index.ts';
import type { Ask, CallOptions, ReplyEvent, ScoredModel, TokenLogprob } from '../model.ts';
import type { ChatForm } from './prompt.ts';

export interface OpenModelOptions {
  /** What the model is called; unless told, folder or repository with a hash (see `identityOf`). */
  readonly id?: string;
  /** The hash that stands for its weights in a run's identity; unless told, that of its files. */
  readonly weightsHash?: string;
  /** The address under which it was asked for, so that what is trained from it can say what it stands on. */
  readonly address?: string;
  /** PEFT adapter folders over the model; several add up. */
  readonly adapters?: readonly string[];
  /** Compute the adapters into the weights: nothing to pay at each pass, and the changed weights in memory. */
  readonly mergeAdapters?: boolean;
  /** How a conversation becomes a prompt. `template` unless told; a model without one then refuses to chat. */
  readonly chat?: ChatForm;
  /** Variables of the chat template, for example `{ enable_thinking: false }`. */
  readonly templateVariables?: Readonly<Record<string, Json>>;
  /** Longest reply in tokens where an ask names none. 1,024 unless told. */
  readonly maxTokens?: number;
  /** Replies computed at once; further ones wait. 32 unless told. */
  readonly maxRows?: number;
  /** See `OpenOptions` of the network. */
  readonly prepack?: boolean;
  readonly device?: string;
}

/** Settings of a completion: an ask without its conversation. */
export type CompletionSettings = Omit<Ask, 'messages' | 'tools' | 'schema' | 'prefix'>;

export interface Embeddings {
  /** One vector [width] a text. */
  readonly vectors: readonly Float32Array[];
  readonly tokens: number;
}

/** A token of a scored text; the first has nothing before it and no log-probability. */
export interface ScoredToken extends Omit<TokenLogprob, 'logprob'> {
  readonly logprob: number | undefined;
}

export interface LocalModel extends ScoredModel {
  /** Stands for the weights in a run's identity; absent where they are too large to be hashed. */
  readonly weightsHash?: string;
  readonly address?: string;
  /** Tokens that the prompt of an ask takes. */
  countTokens(ask: Ask): Promise<number>;
  /** Goes on with a text, without any chat format; special tokens in it are text. */
  complete(
    text: string,
    settings: CompletionSettings,
    signal: AbortSignal,
    options?: CallOptions,
  ): AsyncIterable<ReplyEvent>;
  /** Log-probability of each token of a text after those before it, with the `top` most likely ones beside each. */
  score(text: string, top?: number): Promise<ScoredToken[]>;
  /** The mean over a text's tokens of the stream behind the last block (`blocks.<last>.resid_post`), not normalised. */
  embed(texts: readonly string[]): Promise<Embeddings>;
  /** Frees what the model holds; calls under way end with an error. */
  close(): Promise<void>;
}

export interface OpenModel extends LocalModel {
  readonly network: Network;
  readonly tokenizer: LoadedTokenizer;
  /** Folders on this machine that it was opened from, if it was: for reading along, never for a record. */
  readonly files?: { readonly folder: string; readonly adapters: readonly string[] };
  /**
   * The same model over another network of its architecture, for example a trained one: tokenizer, template and
   * settings stay. Nothing is copied.
   */
  withNetwork(network: Network, identity: { readonly id: string; readonly weightsHash?: string }): OpenModel;
}
