/**
 * One ladder of access to a model: chat < logprobs < weights.
 *
 * A reply is a stream of events that ends with one `end` event; its whole is the fold of its events (`foldReply` in
 * reply.ts). A refusal or a guard's block is part of the reply, never an exception; what throws is a failure to get a
 * reply at all. Everything here is plain data and interfaces; it needs nothing but the values of `core`.
 */
import type { Json } from '../core/values.ts';

export type Role = 'system' | 'user' | 'assistant' | 'tool';

/** A picture in a message, for providers that take them. */
export interface ImagePart {
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

export interface ToolCall {
  readonly id: string;
  readonly tool: string;
  /** The parsed input; the model's own text, as a string, where it wrote something that is not JSON. */
  readonly input: Json;
}

export interface Message {
  readonly role: Role;
  readonly content: string;
  readonly images?: readonly ImagePart[];
  /** What an assistant message called. */
  readonly calls?: readonly ToolCall[];
  /** Which call a tool message answers, and the tool's name. */
  readonly callId?: string;
  readonly tool?: string;
}

export interface Tool {
  readonly name: string;
  readonly description: string;
  /** JSON Schema of the input. */
  readonly input: Json;
}

/** What is asked of a model. Everything that can change the reply is in here, so that its hash addresses the reply. */
export interface Ask {
  readonly messages: readonly Message[];
  readonly tools?: readonly Tool[];
  /** Sampling settings; a provider that has no such setting ignores `topK` and `seed` (see its capabilities). */
  readonly temperature?: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly maxTokens?: number;
  readonly stop?: readonly string[];
  readonly seed?: number;
  /** Ask for the log-probability of each generated token, and of this many alternatives beside it. */
  readonly logprobs?: number;
  /** JSON Schema that the reply's text must follow. */
  readonly schema?: Json;
  /**
   * Text that the assistant's reply is made to begin with; only models with `capabilities.prefix` take it. The reply's
   * events hold what the model wrote after it, not the prefix itself.
   */
  readonly prefix?: string;
}

export interface TokenLogprob {
  readonly token: string;
  readonly logprob: number;
  readonly alternatives?: readonly { readonly token: string; readonly logprob: number }[];
}

export interface Usage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedInputTokens?: number;
  readonly reasoningTokens?: number;
  /** Set where the provider reported nothing and the counts are guesses (a third of the UTF-8 bytes). */
  readonly estimated?: true;
}

/**
 * Why a reply ended: by itself, at the token limit, to call tools, or because the provider or a guard blocked it.
 */
export type EndReason = 'stop' | 'length' | 'tool-calls' | 'blocked';

export type ReplyEvent =
  | { readonly type: 'text'; readonly text: string; readonly logprobs?: readonly TokenLogprob[] }
  | { readonly type: 'reasoning'; readonly text: string }
  | { readonly type: 'tool-call'; readonly call: ToolCall }
  | {
      readonly type: 'verdict';
      readonly guard: string;
      readonly score: number;
      readonly threshold: number;
      readonly blocked: boolean;
      readonly why: string;
      readonly costMs: number;
    }
  | {
      readonly type: 'end';
      readonly reason: EndReason;
      readonly usage: Usage;
      /** The provider's own name for this reply and for the model that gave it, where it has them. */
      readonly replyId?: string;
      readonly modelId?: string;
    };

/** What a model can do, declared before a run and checked against what a method needs. */
export interface Capabilities {
  readonly tools: boolean;
  readonly schema: boolean;
  readonly images: boolean;
  readonly logprobs: boolean;
  readonly seed: boolean;
  readonly prefix: boolean;
  readonly reasoning: boolean;
  /** Longest prompt and reply together, in tokens, where known. */
  readonly contextTokens?: number;
}

/** Where a model's asks go when they leave this process. No credential, query or fragment is in here. */
export interface Endpoint {
  readonly kind: 'http' | 'command' | 'function';
  /** `http`: the base address; `command`: the program; `function`: the module and export. */
  readonly address: string;
  /** Host name of an `http` endpoint, without its port. */
  readonly host?: string;
}

/** One try at getting a reply from an endpoint. */
export interface Attempt {
  readonly ms: number;
  /** Why it failed; absent for the try that gave the reply. */
  readonly error?: { readonly code: string; readonly message: string };
}

/** What an endpoint's headers say about its limits; times are milliseconds from now. */
export interface RateSignals {
  readonly remainingRequests?: number;
  readonly remainingTokens?: number;
  readonly resetRequestsMs?: number;
  readonly resetTokensMs?: number;
  readonly retryAfterMs?: number;
}

/** What the wrappers around a model learn about one call; each layer writes its own fields, the recorder keeps them. */
export interface CallTrace {
  /** Where in the run this call was made (a trial or a step), and which of the equal asks made there it is, from 0. */
  scope: string;
  ordinal: number;
  attempts: Attempt[];
  /** Time spent waiting for a free slot or for a rate limit. */
  queuedMs: number;
  cached: boolean;
  /** The provider's own name of the HTTP request. */
  requestId?: string;
  rate?: RateSignals;
}

export interface CallOptions {
  /**
   * Events are wanted while the model still writes. Without it a model may give them all at the end, which costs less
   * and can be retried.
   */
  readonly incremental?: boolean;
  readonly trace?: CallTrace;
}

export interface Model {
  readonly id: string;
  readonly capabilities: Capabilities;
  /** Absent for a model that runs inside this process: it sends nothing anywhere and costs nothing. */
  readonly endpoint?: Endpoint;
  /**
   * A wrapper hands `options` on unchanged unless it changes one of them.
   * @throws FiducialError when no reply could be had; the reason of `signal` when that aborts.
   */
  reply(ask: Ask, signal: AbortSignal, options?: CallOptions): AsyncIterable<ReplyEvent>;
}

export interface ScoredModel extends Model {
  /** Log-probability of each token of `completion` after `ask`, in order. */
  logprobs(ask: Ask, completion: string): Promise<TokenLogprob[]>;
}

/** A whole reply: the fold of its events. */
export interface Reply {
  readonly text: string;
  readonly reasoning: string;
  readonly calls: readonly ToolCall[];
  readonly logprobs?: readonly TokenLogprob[];
  readonly verdicts: readonly Extract<ReplyEvent, { type: 'verdict' }>[];
  readonly ended: EndReason;
  readonly usage: Usage;
  readonly replyId?: string;
  readonly modelId?: string;
}
