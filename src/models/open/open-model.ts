/**
 * A checkpoint as a model that chats, scores, embeds and can be looked into, in this thread.
 *
 * The prompt is the model's own chat template; replies that are asked for together share the rows of one generator, so
 * many at once cost little more than one. The engine traces functions and makes sessions synchronously: a server or a
 * terminal opens its model in a worker instead (in-worker.ts). Log-probabilities are of the model's own distribution,
 * before temperature and truncation, in nats.
 */
import { createHash, randomUUID } from 'node:crypto';
import { FiducialError } from '../../core/errors.ts';
import { openCheckpoint, type Checkpoint } from '../../network/checkpoint/index.ts';
import { Generator, longestText, type TokenChoice, type TokenEvent } from '../../network/generate/index.ts';
import { loadAdapter, mergeAdapters, Network, withAdapters } from '../../network/index.ts';
import { type LoadedTokenizer, loadTokenizer } from '../../network/tokenizer/index.ts';
import { checkAsk } from '../capabilities.ts';
import type { Ask, CallOptions, Capabilities, ReplyEvent, TokenLogprob, ToolCall } from '../model.ts';
import { joinNeighbours } from '../reply.ts';
import { checkAborted } from '../wrap.ts';
import { identityOf } from './identity.ts';
import type { CompletionSettings, Embeddings, OpenModel, OpenModelOptions, ScoredToken } from './local-model.ts';
import { encodeContinuation, encodeStart, type Prompt, promptOf } from './prompt.ts';
import { MARKERS, type Piece, type ReplyFormat, replyFormatOf, ReplyReader } from './reply-format.ts';
import { ScoreQueue } from './score-queue.ts';
import { type SamplingDefaults, samplingDefaults, stopTokensOf } from './settings.ts';
import { TokenNames } from './token-names.ts';

/**
 * Opens a folder in Hugging Face's layout, or a repository id in its cache.
 *
 * @throws FiducialError those of `openCheckpoint`, `Network.open`, `loadTokenizer` and `loadAdapter`, before anything
 *   is computed
 * @example
 * const model = await openModel('./qwen');
 * const reply = await collect(model, 'What is 2 + 2?');
 */
export async function openModel(folderOrId: string, options: OpenModelOptions = {}): Promise<OpenModel> {
  const checkpoint = await openCheckpoint(folderOrId);
  let network = Network.ofCheckpoint(checkpoint, {
    ...(options.prepack === undefined ? {} : { prepack: options.prepack }),
    ...(options.device === undefined ? {} : { device: options.device }),
  });
  const tokenizer = await loadTokenizer(checkpoint.folder);
  const folders = options.adapters ?? [];
  if (folders.length > 0) {
    const base = network;
    const adapters = await Promise.all(folders.map((folder) => loadAdapter(base, folder)));
    network = options.mergeAdapters === true ? await mergeAdapters(base, adapters) : withAdapters(base, adapters);
  }
  const own =
    options.id === undefined || options.weightsHash === undefined ? await identityOf(checkpoint, folders) : undefined;
  const identity = { id: options.id ?? own!.id, weightsHash: options.weightsHash ?? own?.weightsHash };
  return new NetworkModel(identity, network, tokenizer, checkpoint, options);
}

/**
 * A network that is in memory as a model: one that was just trained, or made by hand so that what is in it is known.
 * Its id stands for its weights in a run's identity, so other weights need another id.
 *
 * @example
 * const model = modelOf('planted:7', network, tokenizer);
 */
export function modelOf(
  id: string,
  network: Network,
  tokenizer: LoadedTokenizer,
  options: Omit<OpenModelOptions, 'id' | 'adapters' | 'mergeAdapters' | 'prepack' | 'device'> = {},
): OpenModel {
  return new NetworkModel({ id }, network, tokenizer, { folder: id, config: network.config }, options);
}

/** What is known of where a network came from; one that was made in memory has no files. */
type Opened = Pick<Checkpoint, 'folder' | 'config' | 'generationConfig'> & Partial<Pick<Checkpoint, 'weightFiles'>>;

class NetworkModel implements OpenModel {
  readonly id: string;
  readonly weightsHash?: string;
  readonly address?: string;
  readonly capabilities: Capabilities;
  readonly network: Network;
  readonly tokenizer: LoadedTokenizer;
  readonly files?: NonNullable<OpenModel['files']>;
  readonly #checkpoint: Opened;
  readonly #options: OpenModelOptions;
  readonly #format: ReplyFormat;
  readonly #generator: Generator;
  readonly #defaults: SamplingDefaults;
  readonly #names: TokenNames;
  readonly #scores: ScoreQueue;
  readonly #markers: ReadonlyMap<number, string>;
  readonly #closing = new AbortController();

  constructor(
    identity: { readonly id: string; readonly weightsHash?: string | undefined },
    network: Network,
    tokenizer: LoadedTokenizer,
    checkpoint: Opened,
    options: OpenModelOptions,
  ) {
    this.id = identity.id;
    if (identity.weightsHash !== undefined) this.weightsHash = identity.weightsHash;
    if (options.address !== undefined) this.address = options.address;
    this.network = network;
    this.tokenizer = tokenizer;
    if (checkpoint.weightFiles !== undefined)
      this.files = { folder: checkpoint.folder, adapters: options.adapters ?? [] };
    this.#checkpoint = checkpoint;
    this.#options = options;
    const template = options.chat === 'plain' ? undefined : tokenizer.chatTemplate;
    this.#format = replyFormatOf(template);
    this.#defaults = samplingDefaults(checkpoint.generationConfig);
    this.#names = new TokenNames(tokenizer);
    this.#scores = new ScoreQueue(network);
    this.#markers = new Map(
      MARKERS.flatMap((marker) => {
        const special = tokenizer.specialTokens.get(marker);
        return special === undefined ? [] : [[special, marker] as const];
      }),
    );
    this.#generator = new Generator(network, {
      tokenizer,
      stopTokens: stopTokensOf(checkpoint, tokenizer, network.description.vocabulary),
      ...(options.maxRows === undefined ? {} : { maxRows: options.maxRows }),
    });
    this.capabilities = {
      tools: this.#format.tools !== undefined,
      schema: false,
      images: false,
      logprobs: true,
      seed: true,
      prefix: true,
      reasoning: this.#format.hasReasoning,
      contextTokens: longestText(network.description),
    };
  }

  async *reply(ask: Ask, signal: AbortSignal, options?: CallOptions): AsyncGenerator<ReplyEvent> {
    checkAsk(this.id, this.capabilities, ask);
    const prompt = this.#prompt(ask);
    const hasTools = ask.tools !== undefined && ask.tools.length > 0;
    const reader = new ReplyReader(this.#format, { hasTools, isThinking: prompt.isThinking });
    if (ask.prefix !== undefined) reader.skip(ask.prefix);
    yield* this.#events(prompt, ask, reader, signal, options);
  }

  async *complete(
    text: string,
    settings: CompletionSettings,
    signal: AbortSignal,
    options?: CallOptions,
  ): AsyncGenerator<ReplyEvent> {
    const prompt: Prompt = { ids: encodeStart(this.tokenizer, text), prefix: [], stop: [], isThinking: false };
    const reader = new ReplyReader({ tools: undefined, hasReasoning: false }, { hasTools: false });
    yield* this.#events(prompt, settings, reader, signal, options);
  }

  withNetwork(network: Network, identity: { readonly id: string; readonly weightsHash?: string }): OpenModel {
    const { address: _, ...options } = this.#options;
    return new NetworkModel(identity, network, this.tokenizer, this.#checkpoint, options);
  }

  async countTokens(ask: Ask): Promise<number> {
    const { ids, prefix } = this.#prompt(ask);
    return ids.length + prefix.length;
  }

  async logprobs(ask: Ask, completion: string): Promise<TokenLogprob[]> {
    const { ids, prefix } = this.#prompt(ask);
    const before = [...ids, ...prefix];
    const own = encodeContinuation(this.tokenizer, completion, before.at(-1));
    const scored = await this.#scores.score(before, own, ask.logprobs);
    return scored.map(({ id, logprob, top }) => this.#named(id, logprob, top));
  }

  async score(text: string, top = 0): Promise<ScoredToken[]> {
    const ids = encodeStart(this.tokenizer, text);
    if (ids.length === 0) return [];
    const scored = await this.#scores.score(ids.slice(0, 1), ids.slice(1), top);
    return [
      { token: this.#names.of(ids[0]!), logprob: undefined },
      ...scored.map((one) => this.#named(one.id, one.logprob, one.top)),
    ];
  }

  async embed(texts: readonly string[]): Promise<Embeddings> {
    const ids = texts.map((text) => encodeStart(this.tokenizer, text));
    const site = `blocks.${this.network.description.layers - 1}.resid_post`;
    const results = await this.network.run(ids, { read: [site], withoutLogits: true });
    const vectors = results.map(({ values }) => {
      const stream = values[site]!; // [time, width]
      const [time, width] = stream.shape as [number, number];
      const data = stream.data as Float32Array;
      const mean = new Float32Array(width);
      for (let t = 0; t < time; t++) for (let i = 0; i < width; i++) mean[i]! += data[t * width + i]! / time;
      return mean;
    });
    return { vectors, tokens: ids.reduce((sum, { length }) => sum + length, 0) };
  }

  close(): Promise<void> {
    this.#closing.abort(new FiducialError('model.closed', `${this.id} was closed`, 'Open it again.'));
    this.#generator.clearPrefixes();
    return Promise.resolve();
  }

  #named(id: number, logprob: number, top: readonly TokenChoice[] | undefined): TokenLogprob {
    return namedLogprob(this.#names, id, logprob, top);
  }

  #prompt(ask: Ask): Prompt {
    const { chat = 'template', templateVariables } = this.#options;
    return promptOf(ask, this.tokenizer, chat, this.id, templateVariables);
  }

  async *#events(
    prompt: Prompt,
    ask: CompletionSettings,
    reader: ReplyReader,
    signal: AbortSignal,
    options: CallOptions | undefined,
  ): AsyncGenerator<ReplyEvent> {
    checkAborted(signal);
    checkAborted(this.#closing.signal);
    const tokens = this.#generate(prompt, ask, AbortSignal.any([signal, this.#closing.signal]));
    const events = readTokens(tokens, reader, {
      markers: this.#markers,
      names: this.#names,
      callSalt: `${prompt.ids.length}`,
    });
    if (options?.incremental === true) yield* events;
    else {
      const all: ReplyEvent[] = [];
      for await (const event of events) all.push(event);
      yield* joinNeighbours(all);
    }
  }

  #generate(prompt: Prompt, ask: CompletionSettings, signal: AbortSignal): AsyncGenerator<TokenEvent> {
    const stop = [...(ask.stop ?? []), ...prompt.stop];
    return this.#generator.generate(
      {
        prompt: prompt.ids,
        prefix: prompt.prefix,
        maxTokens: ask.maxTokens ?? this.#options.maxTokens ?? 1024,
        ...this.#defaults,
        ...(ask.temperature === undefined ? {} : { temperature: ask.temperature }),
        ...(ask.topP === undefined ? {} : { topP: ask.topP }),
        ...(ask.topK === undefined ? {} : { topK: ask.topK }),
        ...(stop.length === 0 ? {} : { stop }),
        ...(ask.logprobs === undefined ? {} : { logprobs: ask.logprobs }),
        // The prompt is part of the name: one seed for many prompts must not draw the same numbers for each.
        seed: ask.seed ?? randomUUID(),
        name: createHash('sha256')
          .update(JSON.stringify([prompt.ids, prompt.prefix]))
          .digest('hex'),
      },
      signal,
    );
  }
}

interface Reading {
  /** Special tokens that a reply's format needs to see, which the decoder leaves out. */
  readonly markers: ReadonlyMap<number, string>;
  readonly names: TokenNames;
  /** Makes the ids of calls differ between turns of one conversation. */
  readonly callSalt: string;
}

/** Tokens as events of a reply. Log-probabilities are those of the tokens of text events. */
async function* readTokens(
  tokens: AsyncIterable<TokenEvent>,
  reader: ReplyReader,
  { markers, names, callSalt }: Reading,
): AsyncGenerator<ReplyEvent> {
  let waiting: TokenLogprob[] = [];
  let reasoningTokens = 0;
  let calls = 0;
  const eventOf = (piece: Piece): ReplyEvent => {
    if (piece.type === 'reasoning') return { type: 'reasoning', text: piece.text };
    if (piece.type === 'call') {
      const call: ToolCall = { id: callId(callSalt, calls++, piece), tool: piece.tool, input: piece.input };
      return { type: 'tool-call', call };
    }
    const logprobs = waiting;
    waiting = [];
    return logprobs.length === 0 ? { type: 'text', text: piece.text } : { type: 'text', text: piece.text, logprobs };
  };
  for await (const token of tokens) {
    if (token.type === 'token') {
      if (reader.isReasoning) reasoningTokens++;
      const { logprob, top } = token;
      if (logprob !== undefined && reader.isText) {
        waiting.push(namedLogprob(names, token.id, logprob, top));
      }
      for (const piece of reader.push((markers.get(token.id) ?? '') + token.text)) yield eventOf(piece);
      // What began as text and turned out to be reasoning or a call has no place for its log-probabilities.
      if (!reader.isText) waiting = [];
      continue;
    }
    for (const piece of [...reader.push(token.text), ...reader.finish()]) yield eventOf(piece);
    if (waiting.length > 0) yield { type: 'text', text: '', logprobs: waiting };
    yield {
      type: 'end',
      reason: calls > 0 ? 'tool-calls' : token.reason,
      usage: {
        inputTokens: token.promptTokens,
        outputTokens: token.generatedTokens,
        ...(token.cachedTokens === 0 ? {} : { cachedInputTokens: token.cachedTokens }),
        ...(reasoningTokens === 0 ? {} : { reasoningTokens }),
      },
    };
  }
}

/** Nine letters and digits, the form that the strictest template (Mistral's) asks for; equal replies have equal ids. */
const callId = (salt: string, index: number, piece: Piece): string =>
  createHash('sha256')
    .update(JSON.stringify([salt, index, piece]))
    .digest('hex')
    .slice(0, 9);

function namedLogprob(
  names: TokenNames,
  id: number,
  logprob: number,
  top: readonly TokenChoice[] | undefined,
): TokenLogprob {
  if (top === undefined) return { token: names.of(id), logprob };
  const alternatives = top.map((one) => ({ token: names.of(one.id), logprob: one.logprob }));
  return { token: names.of(id), logprob, alternatives };
}
