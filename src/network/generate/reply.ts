/**
 * What one request becomes: tokens turned into text as soon as it is certain, stop strings, and the events that wait
 * for their reader.
 */
import type { DecodeStream } from '../tokenizer/index.ts';
import type { TokenChoice } from './sampler.ts';
import { StopScanner } from './stop.ts';

/** A token, with the text that became certain through it. */
export interface GeneratedToken {
  readonly type: 'token';
  readonly id: number;
  /** Empty without a tokenizer, and inside a character of several tokens. */
  readonly text: string;
  /** In nats, of the model's own distribution: before penalties, processors, temperature and truncation. */
  readonly logprob?: number;
  /** The most likely tokens of the same distribution. */
  readonly top?: readonly TokenChoice[];
}

export interface GenerationEnd {
  readonly type: 'end';
  /** `stop`: a stop token or stop string; `length`: `maxTokens`, or the end of the context. */
  readonly reason: 'stop' | 'length';
  readonly stoppedBy?: { readonly token: number } | { readonly text: string };
  /** Text that was held back until it was certain that nothing follows; mostly empty. */
  readonly text: string;
  readonly promptTokens: number;
  /** Prompt tokens that another call had computed. */
  readonly cachedTokens: number;
  /** Tokens generated: the stop token, and those that a stop string cut off, are among them. */
  readonly generatedTokens: number;
}

export type TokenEvent = GeneratedToken | GenerationEnd;

interface HeldToken {
  readonly token: Omit<GeneratedToken, 'text'>;
  readonly start: number;
  readonly end: number;
  /** The stream's length from which on it is certain what the token gave. */
  readonly certainAt: number;
}

/**
 * Tokens to events. A token's event waits while its text may still turn out to begin a stop string, and is not given
 * at all where its text lies behind the cut.
 */
export class TextStream {
  readonly #decode: DecodeStream | undefined;
  readonly #scanner: StopScanner;
  readonly #hasStops: boolean;
  #held: HeldToken[] = [];
  /** Text released and not given yet; it ends at `#released`. */
  #text = '';
  #released = 0;
  #decoded = 0;

  /** @param context tokens before the reply: a decoder may write the first token of a text differently */
  constructor(decode: DecodeStream | undefined, stops: readonly string[], context: readonly number[]) {
    this.#decode = decode;
    this.#scanner = new StopScanner(stops);
    this.#hasStops = stops.length > 0;
    for (const id of context) decode?.push(id);
  }

  push(token: Omit<GeneratedToken, 'text'>): { tokens: GeneratedToken[]; stop?: string } {
    const piece = this.#decode?.push(token.id) ?? '';
    const start = this.#decoded;
    this.#decoded += piece.length;
    const certainAt = this.#decoded + (piece === '' && this.#hasStops ? 1 : 0);
    this.#held.push({ token, start, end: this.#decoded, certainAt });
    const { text, stop } = this.#scanner.push(piece);
    this.#text += text;
    this.#released += text.length;
    if (stop === undefined) return { tokens: this.#give(({ certainAt: at }) => at <= this.#released) };
    return { tokens: this.#give(({ start: at }) => at < this.#released), stop };
  }

  /** What was held back, when no token follows. */
  finish(): { tokens: GeneratedToken[]; text: string; stop?: string } {
    const { text, stop } = this.#scanner.push(this.#decode?.flush() ?? '');
    const rest = stop === undefined ? text + this.#scanner.flush() : text;
    this.#text += rest;
    this.#released += rest.length;
    const tokens = this.#give(({ start }) => stop === undefined || start < this.#released);
    const left = this.#text;
    this.#text = '';
    return { tokens, text: left, ...(stop === undefined ? {} : { stop }) };
  }

  #give(isReady: (held: HeldToken) => boolean): GeneratedToken[] {
    const tokens: GeneratedToken[] = [];
    while (this.#held.length > 0 && isReady(this.#held[0]!)) {
      const { token, end } = this.#held.shift()!;
      const from = this.#released - this.#text.length;
      const text = this.#text.slice(0, Math.max(0, end - from));
      this.#text = this.#text.slice(text.length);
      tokens.push({ ...token, text });
    }
    return tokens;
  }
}

/** Events between the loop that makes them and the caller that reads them. */
export class EventQueue {
  #events: TokenEvent[] = [];
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;

  get size(): number {
    return this.#events.length;
  }

  push(event: TokenEvent): void {
    this.#events.push(event);
    this.#wake?.();
  }

  /** The reader gets this error at once, before what it has not read yet. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake?.();
  }

  async next(): Promise<TokenEvent> {
    while (this.#failure === undefined && this.#events.length === 0) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = undefined;
    }
    if (this.#failure !== undefined) throw this.#failure.error;
    return this.#events.shift()!;
  }
}
