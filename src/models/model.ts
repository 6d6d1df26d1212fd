/**
 * One ladder of access to a model: chat < logprobs < weights.
 *
 * A reply is a stream of events; its whole is the fold of its events ({@link foldReply}). A refusal or a guard's block
 * is part of the reply, never an exception; what throws is a failure to get a reply at all.
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
  /** Text that the assistant's reply is made to begin with; only models with `capabilities.prefix` take it. */
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

export interface Model {
  readonly id: string;
  readonly capabilities: Capabilities;
  reply(ask: Ask, signal: AbortSignal): AsyncIterable<ReplyEvent>;
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
