/** What a caller asks of the generator, checked, and its row while it is under way. */
import { FiducialError, show } from '../../core/errors.ts';
import type { Description } from '../architecture/description.ts';
import type { Tokenizer } from '../tokenizer/index.ts';
import { longestText, requireTokens } from './forwardable.ts';
import { EventQueue, TextStream } from './reply.ts';
import { logSumExp, Sampler, topTokens, type SamplingOptions } from './sampler.ts';

export interface GenerateRequest extends SamplingOptions {
  readonly prompt: readonly number[];
  /** Tokens that the reply is made to begin with. They count as prompt, and no event gives them back. */
  readonly prefix?: readonly number[];
  /**
   * Names the request for its randomness: the same name, seed and prompt give the same reply whatever else runs.
   * Unless told, requests are numbered in the order in which they come.
   */
  readonly name?: string;
  /** Up to the end of the context unless told. */
  readonly maxTokens?: number;
  /** Stop tokens are not chosen before this many tokens; stop strings still count. */
  readonly minTokens?: number;
  /** Tokens that end the reply, instead of the generator's own. */
  readonly stopTokens?: readonly number[];
  /** Texts that end the reply and are not part of it. They need a tokenizer. */
  readonly stop?: readonly string[];
  /** Log-probabilities of the tokens, and of this many most likely ones beside each; none at all unless told. */
  readonly logprobs?: number;
}

/** What turns a reply's tokens into text. */
export type ReplyTokenizer = Pick<Tokenizer, 'decodeStream'> & Partial<Pick<Tokenizer, 'specialTokens'>>;

/** Prompt tokens that the decoder sees before the reply; a character has at most four. */
const CONTEXT_TOKENS = 4;

/** Behind a control token a text begins: what stands before it must not make the reply begin with a blank. */
function contextOf(prompt: readonly number[], specials: Tokenizer['specialTokens'] = new Map()): readonly number[] {
  const ids = new Set(specials.values());
  const context = prompt.slice(-CONTEXT_TOKENS);
  return context.slice(context.findLastIndex((id) => ids.has(id)) + 1);
}

/** One request under way. */
export class Row {
  readonly request: GenerateRequest;
  readonly events = new EventQueue();
  readonly tokens: number[];
  readonly promptLength: number;
  readonly maxTokens: number;
  readonly #sampler: Sampler;
  readonly #stream: TextStream;
  readonly #stopTokens: ReadonlySet<number>;
  /** Where its keys and values lie; undefined while it waits. */
  slot: number | undefined;
  /** Tokens whose keys and values are in the slot. */
  cached = 0;
  /** Prompt tokens that it found computed. */
  foundCached = 0;
  isDone = false;

  /** @throws FiducialError `generate.prompt`, `network.token`, `generate.option` */
  constructor(
    request: GenerateRequest,
    name: string,
    description: Description,
    tokenizer: ReplyTokenizer | undefined,
    stopTokens: readonly number[],
  ) {
    this.request = request;
    requireTokens(description, request.prompt, `${show(name)}, prompt`);
    requireTokens(description, request.prefix ?? [], `${show(name)}, prefix`);
    requireTokens(description, request.stopTokens ?? [], `${show(name)}, stopTokens`);
    this.tokens = [...request.prompt, ...(request.prefix ?? [])];
    this.promptLength = this.tokens.length;
    const longest = longestText(description);
    const room = longest - this.promptLength;
    if (this.promptLength === 0) {
      throw new FiducialError(
        'generate.prompt',
        `${show(name)}: the prompt has no tokens`,
        'Begin with the token that the model knows as the beginning of a text.',
      );
    }
    if (room < 0) {
      throw new FiducialError(
        'generate.prompt',
        `${show(name)}: ${this.promptLength} tokens of prompt are more than the context of ${longest}`,
        `Shorten the prompt by ${-room} tokens, and by what the reply needs.`,
      );
    }
    const { maxTokens = room, minTokens = 0, logprobs = 0, stop = [] } = request;
    for (const [option, value] of Object.entries({ maxTokens, minTokens, logprobs })) {
      if (Number.isInteger(value) && value >= 0) continue;
      throw new FiducialError('generate.option', `${option} is ${show(value)}`, 'Give a whole number from 0 up.');
    }
    if (stop.length > 0 && tokenizer === undefined) {
      throw new FiducialError(
        'generate.option',
        `${show(name)}: stop strings ${show(stop)}, and the generator has no tokenizer`,
        'Make it with { tokenizer }, or give stopTokens.',
      );
    }
    this.maxTokens = Math.min(maxTokens, room);
    this.#sampler = new Sampler(request, name, description.vocabulary);
    this.#stopTokens = new Set(request.stopTokens ?? stopTokens);
    const decode = tokenizer?.decodeStream({ skipSpecialTokens: true });
    this.#stream = new TextStream(decode, stop, contextOf(this.tokens, tokenizer?.specialTokens));
  }

  get generated(): number {
    return this.tokens.length - this.promptLength;
  }

  /** Tokens that still have to be computed before the next one can be chosen. */
  get pending(): number {
    return this.tokens.length - this.cached;
  }

  /** The longest that this text can become. */
  get largestLength(): number {
    return this.promptLength + this.maxTokens;
  }

  /** Chooses the next token from its logits and gives the events. The row is done where that ended it. */
  take(logits: Float32Array): void {
    const isTooShort = this.generated < (this.request.minTokens ?? 0);
    const id = this.#sampler.choose(logits, this.tokens, this.promptLength, isTooShort ? [...this.#stopTokens] : []);
    this.tokens.push(id);
    if (this.#stopTokens.has(id)) {
      this.end('stop', { token: id });
      return;
    }
    const { tokens, stop } = this.#stream.push({ type: 'token', id, ...this.#logprobs(logits, id) });
    for (const token of tokens) this.events.push(token);
    if (stop !== undefined) this.#finish('stop', '', { text: stop });
    else if (this.generated >= this.maxTokens) this.end('length');
  }

  /** Ends the reply where no stop string did. */
  end(reason: 'stop' | 'length', stoppedBy?: { readonly token: number }): void {
    const { tokens, text, stop } = this.#stream.finish();
    for (const token of tokens) this.events.push(token);
    if (stop === undefined) this.#finish(reason, text, stoppedBy);
    else this.#finish('stop', text, { text: stop });
  }

  #finish(
    reason: 'stop' | 'length',
    text: string,
    stoppedBy?: { readonly token: number } | { readonly text: string },
  ): void {
    this.isDone = true;
    this.events.push({
      type: 'end',
      reason,
      ...(stoppedBy === undefined ? {} : { stoppedBy }),
      text,
      promptTokens: this.promptLength,
      cachedTokens: this.foundCached,
      generatedTokens: this.generated,
    });
  }

  #logprobs(logits: Float32Array, id: number): { logprob?: number; top?: ReturnType<typeof topTokens> } {
    const { logprobs } = this.request;
    if (logprobs === undefined) return {};
    const logNormaliser = logSumExp(logits);
    const logprob = logits[id]! - logNormaliser;
    return logprobs === 0 ? { logprob } : { logprob, top: topTokens(logits, logprobs, logNormaliser) };
  }
}
