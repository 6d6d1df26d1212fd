/**
 * All layers around a model, in the one order in which they are right.
 *
 * From the outside in, and why each is outside the next:
 *
 * 1. errors masked, by the recorder where there is one: whatever leaves this stack has passed through the redactor.
 * 2. recorder: a recorded call costs no budget, slot or time when it is replayed, and the log must hold what the method
 *    saw, wherever it came from, so that resuming does not depend on the cache.
 * 3. cache: a hit needs no slot and no money.
 * 4. retry: a wait between two tries holds neither a slot nor a reservation.
 * 5. reading ahead: a consumer that takes its time with a stream, or asks another model meanwhile, must hold neither
 *    slot nor reservation; a failure still reaches retry in its place.
 * 6. limiter: each try takes its turn and reports overload; time in the queue is not the model's time.
 * 7. budget: a reservation is taken when the call can start, so that calls in the queue set nothing aside; each try
 *    that may have been billed is counted.
 * 8. timeouts: nearest to the model, so that every layer outside is sure to see an end.
 */
import { cacheReplies, type CacheOptions } from './cache.ts';
import { type Budget, withBudget } from './budget.ts';
import { readAhead } from './eager.ts';
import { limit, type Limiter } from './limit.ts';
import type { Model, Usage } from './model.ts';
import type { CallLog } from './ports.ts';
import type { PriceBook } from './prices.ts';
import { record } from './record.ts';
import { createRedactor, type Redactor } from './redact.ts';
import { retry, type RetryOptions } from './retry.ts';
import { type TimeoutOptions, withTimeouts } from './timeouts.ts';
import { abortReason, wrap } from './wrap.ts';

export interface DecorateOptions {
  readonly log?: CallLog;
  /** @default one that knows the environment's keys */
  readonly redactor?: Redactor;
  readonly cache?: Omit<CacheOptions, 'redactor'>;
  /** `false` asks once. */
  readonly retry?: RetryOptions | false;
  /** Share one over all models of an endpoint and key. In-process models need none. */
  readonly limiter?: Limiter;
  /** Share one over all models of a run. */
  readonly budget?: Budget;
  readonly timeouts?: TimeoutOptions | false;
  /** For the cost that the log states; `budget` has its own. */
  readonly prices?: PriceBook;
}

export interface Decorated<M extends Model> {
  /** The model with its layers, recording under the scope ''. */
  readonly model: M;
  /**
   * The same model for one trial or step: its calls are recorded under `scope`. Cheap; make one a trial, and one only,
   * because it counts equal asks.
   */
  readonly within: (scope: string) => M;
}

/**
 * Composes the layers that `options` name around `inner`.
 *
 * @throws FiducialError `budget.unknown-price` when there is a money budget and no price for this model
 * @example const { within } = decorate(model, { log, limiter, budget });
 * const reply = await collect(within('trial/3'), 'Hello');
 */
export function decorate<M extends Model>(inner: M, options: DecorateOptions = {}): Decorated<M> {
  const redactor = options.redactor ?? createRedactor();
  options.budget?.check(inner);

  let core = inner;
  if (options.timeouts !== false) core = withTimeouts(core, options.timeouts);
  if (options.budget !== undefined) core = withBudget(core, options.budget);
  if (options.limiter !== undefined) core = limit(core, options.limiter);
  if (options.budget !== undefined || options.limiter !== undefined) core = readAhead(core);
  if (options.retry !== false) core = retry(core, options.retry);
  if (options.cache !== undefined) core = cacheReplies(core, { ...options.cache, redactor });

  const { log, prices } = options;
  const isFree = inner.endpoint === undefined;
  const costOf = (modelId: string, usage: Usage) => (isFree ? 0 : prices?.cost(modelId, usage));
  const within = (scope: string): M =>
    log === undefined ? maskErrors(core, redactor) : record(core, { log, redactor, scope, costOf });
  return { model: within(''), within };
}

/** `inner`, every error of which is masked. */
export function maskErrors<M extends Model>(inner: M, redactor: Redactor): M {
  return wrap(inner, async function* (ask, signal, callOptions) {
    try {
      yield* inner.reply(ask, signal, callOptions);
    } catch (error) {
      if (signal.aborted) throw abortReason(signal);
      throw redactor.error(error);
    }
  });
}
