/**
 * Adaptive concurrency and rate limits for the calls to one endpoint.
 *
 * Concurrency follows additive increase, multiplicative decrease (Chiu and Jain, 1989; as in TCP, RFC 5681): it doubles
 * until the first overload, grows by about one a round after that, and halves on overload, once for all calls that were
 * under way when it came. Requests and tokens a minute are taken from a counter that processes may share. A
 * `retry-after` or an exhausted `remaining` header stops everybody until the endpoint's own time has come.
 *
 * It never stalls: there is always a slot, every wait ends at a known time, and an endpoint that has answered nothing
 * but overload for `patienceMs` fails the calls that wait instead of keeping them.
 */
import { endpointError, failureOf } from './failure.ts';
import { memoryRateCounter } from './memory.ts';
import type { Model, RateSignals, ReplyEvent } from './model.ts';
import type { RateCounter, RateLimit } from './ports.ts';
import { askBytes } from './reply.ts';
import { abortReason, checkAborted, onAbort, wrap } from './wrap.ts';

export interface LimiterOptions {
  /** The resource's name in a shared counter: the endpoint's host and key's name. @default 'endpoint' */
  readonly name?: string;
  /** Calls at once to begin with, and at most. @default 8 and 64 */
  readonly startConcurrency?: number;
  readonly maxConcurrency?: number;
  readonly requestsPerMinute?: number;
  readonly tokensPerMinute?: number;
  /** Further limits over windows of another length, counted in requests. */
  readonly requests?: RateLimit;
  /** @default a counter of this process */
  readonly counter?: RateCounter;
  /** Longest time with nothing but overload before waiting calls fail. @default 60_000 */
  readonly patienceMs?: number;
  readonly now?: () => number;
}

export interface Limiter {
  /** Waits for a slot and for the rates. @returns what to call with how the call went, exactly once */
  acquire(tokens: number, signal: AbortSignal): Promise<Release>;
  /** Fails a call whose endpoint has been overloaded for too long; called after `release`. */
  checkPatience(cause: unknown): void;
  /** Slots now, calls under way, calls waiting. */
  state(): { concurrency: number; active: number; waiting: number };
}

export type Release = (outcome: {
  readonly isOverloaded: boolean;
  readonly isSuccess: boolean;
  readonly rate?: RateSignals | undefined;
}) => void;

interface Waiter {
  readonly tokens: number;
  grant(release: Release): void;
  fail(error: Error): void;
}

/**
 * One limiter for all models behind one endpoint and key.
 *
 * @example const limiter = createLimiter({ requestsPerMinute: 500, maxConcurrency: 32 });
 */
export function createLimiter(options: LimiterOptions = {}): Limiter {
  const {
    name = 'endpoint',
    maxConcurrency = 64,
    startConcurrency = Math.min(8, maxConcurrency),
    counter = memoryRateCounter(),
    patienceMs = 60_000,
    now = Date.now,
  } = options;
  const rates: { resource: string; limit: RateLimit; of: 'requests' | 'tokens' }[] = [];
  const addRate = (of: 'requests' | 'tokens', limit: RateLimit | undefined) => {
    if (limit !== undefined) rates.push({ resource: `${name} ${of}/${limit.windowMs}`, limit, of });
  };
  addRate('requests', options.requests);
  if (options.requestsPerMinute !== undefined) addRate('requests', { amount: options.requestsPerMinute, windowMs });
  if (options.tokensPerMinute !== undefined) addRate('tokens', { amount: options.tokensPerMinute, windowMs });

  let concurrency = Math.max(1, startConcurrency);
  let isDoubling = true;
  let active = 0;
  let epoch = 0;
  let pausedUntil = 0;
  let overloadedSince: number | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isPumping = false;
  const waiting = new Set<Waiter>();

  const wakeIn = (ms: number) => {
    clearTimeout(timer);
    timer = setTimeout(pump, Math.max(1, ms));
  };

  const release = (startEpoch: number): Release => {
    let isReleased = false;
    return ({ isOverloaded, isSuccess, rate }) => {
      if (isReleased) return;
      isReleased = true;
      active--;
      const at = now();
      if (isOverloaded) {
        overloadedSince ??= at;
        isDoubling = false;
        if (startEpoch === epoch) {
          concurrency = Math.max(1, concurrency / 2);
          epoch++;
        }
        // Only at a fresh answer: after a storm has passed, the first call finds out for those behind it.
        const forMs = at - overloadedSince;
        if (forMs > patienceMs) failAll(waiting, overloaded(name, forMs));
      } else if (isSuccess) {
        overloadedSince = undefined;
        concurrency = Math.min(maxConcurrency, concurrency + (isDoubling ? 1 : 1 / concurrency));
      }
      pausedUntil = Math.max(pausedUntil, at + Math.min(pauseMs(rate), patienceMs));
      void pump();
    };
  };

  /** Takes from each rate in turn. @returns 0, or how long to wait; what earlier rates gave then is not returned */
  const takeRates = async (waiter: Waiter): Promise<number> => {
    for (const rate of rates) {
      const taken = rateTaken.get(waiter) ?? new Set<string>();
      if (taken.has(rate.resource)) continue;
      const amount = rate.of === 'requests' ? 1 : waiter.tokens;
      const answer = counter.take(rate.resource, amount, rate.limit);
      const wait = typeof answer === 'number' ? answer : await answer;
      if (wait > 0) return wait;
      rateTaken.set(waiter, taken.add(rate.resource));
    }
    return 0;
  };
  /** Rates that a waiter has already taken from, so that it takes once from each however often it is woken. */
  const rateTaken = new WeakMap<Waiter, Set<string>>();

  async function pump(): Promise<void> {
    if (isPumping) return;
    isPumping = true;
    try {
      for (;;) {
        const [waiter] = waiting;
        if (waiter === undefined) {
          clearTimeout(timer);
          return;
        }
        const at = now();
        // A release pumps again.
        if (active >= Math.floor(concurrency)) return;
        if (at < pausedUntil) {
          wakeIn(pausedUntil - at);
          return;
        }
        if (rates.length > 0) {
          const waitMs = await takeRates(waiter);
          if (!waiting.has(waiter)) continue;
          if (waitMs > 0) {
            wakeIn(waitMs);
            return;
          }
        }
        waiting.delete(waiter);
        active++;
        waiter.grant(release(epoch));
      }
    } catch (error) {
      // The shared counter failed (its database is away): those who wait must hear of it.
      failAll(waiting, error instanceof Error ? error : new Error(String(error)));
    } finally {
      isPumping = false;
    }
  }

  return {
    state: () => ({ concurrency: Math.floor(concurrency), active, waiting: waiting.size }),
    checkPatience(cause) {
      const forMs = overloadedSince === undefined ? 0 : now() - overloadedSince;
      if (forMs > patienceMs) throw overloaded(name, forMs, cause);
    },
    acquire(tokens, signal) {
      checkAborted(signal);
      if (waiting.size === 0 && rates.length === 0 && active < Math.floor(concurrency) && now() >= pausedUntil) {
        active++;
        return Promise.resolve(release(epoch));
      }
      return new Promise((resolve, reject) => {
        const stopListening = onAbort(signal, () => {
          waiting.delete(waiter);
          reject(abortReason(signal));
          void pump();
        });
        const waiter: Waiter = {
          tokens,
          grant(released) {
            stopListening();
            resolve(released);
          },
          fail(error) {
            stopListening();
            reject(error);
          },
        };
        waiting.add(waiter);
        void pump();
      });
    },
  };
}

/**
 * `inner` behind a limiter.
 *
 * @example const limited = limit(model, createLimiter({ maxConcurrency: 16 }));
 */
export function limit<M extends Model>(inner: M, limiter: Limiter): M {
  return wrap(inner, async function* (ask, signal, callOptions) {
    const began = performance.now();
    const release = await limiter.acquire(Math.ceil(askBytes(ask) / 4) + (ask.maxTokens ?? usualReplyTokens), signal);
    const trace = callOptions?.trace;
    if (trace !== undefined) trace.queuedMs += performance.now() - began;
    const events: ReplyEvent[] = [];
    let outcome = { isOverloaded: false, isSuccess: false, rate: undefined as RateSignals | undefined };
    try {
      for await (const event of inner.reply(ask, signal, callOptions)) {
        if (callOptions?.incremental === true) yield event;
        else events.push(event);
      }
      outcome = { isOverloaded: false, isSuccess: true, rate: trace?.rate };
    } catch (error) {
      const { overloaded: isOverloaded, retryAfterMs } = failureOf(error);
      outcome.isOverloaded = isOverloaded;
      if (retryAfterMs !== undefined) outcome.rate = { retryAfterMs };
      release(outcome);
      if (isOverloaded) limiter.checkPatience(error);
      throw error;
    } finally {
      // Before the reply is handed on: a consumer that takes its time, or never comes back, holds no slot.
      release(outcome);
    }
    yield* events;
  });
}

function overloaded(name: string, ms: number, cause?: unknown): Error {
  return endpointError(
    'endpoint.overloaded',
    `${name} has answered nothing but overload for ${Math.round(ms / 1000)} s`,
    'Resume the run later, lower the rate, or raise patienceMs.',
    { retriable: false, overloaded: true },
    cause,
  );
}

function failAll(waiting: Set<Waiter>, error: Error): void {
  for (const waiter of waiting) waiter.fail(error);
  waiting.clear();
}

/** How long the endpoint's headers ask everybody to wait. */
function pauseMs(rate: RateSignals | undefined): number {
  if (rate === undefined) return 0;
  return Math.max(
    rate.retryAfterMs ?? 0,
    rate.remainingRequests === 0 ? (rate.resetRequestsMs ?? 0) : 0,
    rate.remainingTokens === 0 ? (rate.resetTokensMs ?? 0) : 0,
  );
}

/** Counted against a tokens-a-minute limit for asks that set no limit of their own. */
const usualReplyTokens = 512;
const windowMs = 60_000;
