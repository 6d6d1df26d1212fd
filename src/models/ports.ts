/**
 * What the wrappers need from a store, as small interfaces: a log of calls, a cache of replies, a counter for rates and
 * a ledger for spending. The runner implements them over its store, so that limits and budgets hold over processes;
 * the implementations in memory.ts serve one process and tests.
 *
 * Needs nothing but plain values; everything that passes through a port is JSON, and already redacted.
 */
import type { Json } from '../core/values.ts';
import type { Attempt, ReplyEvent, Usage } from './model.ts';

export interface RecordedError {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

/** One call as the log keeps it. */
export interface RecordedCall {
  /** SHA-256 (hexadecimal) over model id, scope, ask and ordinal: the call's place in the run. */
  readonly key: string;
  readonly modelId: string;
  readonly scope: string;
  readonly ordinal: number;
  /** SHA-256 (hexadecimal) of the ask as it was sent. */
  readonly askHash: string;
  /** The ask with secrets masked and images replaced by their hashes. */
  readonly ask: Json;
  readonly outcome: 'reply' | 'error';
  /** What was delivered, in order: replaying gives exactly these. Empty for an error. */
  readonly events: readonly ReplyEvent[];
  readonly error?: RecordedError;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly latencyMs: number;
  readonly queuedMs: number;
  readonly attempts: readonly Attempt[];
  readonly cached: boolean;
  readonly usage?: Usage;
  /** In the price file's currency; absent where no price is known. A reply from the cache costs 0. */
  readonly cost?: number;
  readonly replyId?: string;
  readonly providerModelId?: string;
  readonly requestId?: string;
}

/** The run's calls. `commit` must be durable when its promise resolves: the reply is delivered right after. */
export interface CallLog {
  /** The call with this key that gave a reply; one that failed is not a past call. */
  lookup(key: string): RecordedCall | undefined | Promise<RecordedCall | undefined>;
  commit(call: RecordedCall): void | Promise<void>;
}

export interface CachedReply {
  readonly events: readonly ReplyEvent[];
  /** Milliseconds since 1970. */
  readonly storedAt: number;
}

export interface ReplyCache {
  get(key: string): CachedReply | undefined | Promise<CachedReply | undefined>;
  set(key: string, reply: CachedReply): void | Promise<void>;
}

/** Counts uses of a resource over a sliding or fixed window, for all processes that share it. */
export interface RateCounter {
  /**
   * Takes `amount` of `resource` if `limit.amount` in each `limit.windowMs` allows it.
   * @returns 0 when taken, else the milliseconds to wait before asking again; nothing is taken then
   */
  take(resource: string, amount: number, limit: RateLimit): number | Promise<number>;
}

export interface RateLimit {
  readonly amount: number;
  readonly windowMs: number;
}

/** Amounts that a budget counts. */
export interface Spending {
  readonly money: number;
  readonly tokens: number;
  readonly calls: number;
}

/** A run's spending and reservations, for all processes that share it. */
export interface Ledger {
  /**
   * Sets `worst` aside under `limit`.
   * @returns `granted`; `wait` when it would fit if calls under way cost less than was set aside for them; `exhausted`
   * when it would not fit even then
   */
  reserve(worst: Spending, limit: Partial<Spending>): Reservation | Promise<Reservation>;
  /** Replaces a reservation by what the call did cost; never fails for being over the limit. */
  settle(reserved: Spending, actual: Spending): void | Promise<void>;
  /** What is spent and what is set aside now. */
  read(): { spent: Spending; reserved: Spending } | Promise<{ spent: Spending; reserved: Spending }>;
}

export type Reservation = 'granted' | 'wait' | 'exhausted';
