/**
 * Asking again when that can help: exponential backoff with full jitter.
 *
 * Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015 (full jitter). What is retriable is decided in
 * failure.ts. An endpoint's `retry-after` is a lower bound of the wait. Once events have been delivered one by one, a
 * failure is final: a second try would tell a different story from the middle.
 */
import { isFiducialError } from '../core/errors.ts';
import { endpointError, failureOf } from './failure.ts';
import type { Model, ReplyEvent } from './model.ts';
import { abortReason, pause, wrap } from './wrap.ts';

export interface RetryOptions {
  /** Tries in all for failures other than overload. @default 4 */
  readonly attempts?: number;
  /** Tries in all while the endpoint says that it is overloaded. @default 12 */
  readonly overloadAttempts?: number;
  /** Wait before the second try, at most; doubles from there. @default 500 */
  readonly baseMs?: number;
  /** Longest wait of our own choosing. @default 20_000 */
  readonly maxMs?: number;
  /** A `retry-after` beyond this is not waited for. @default 60_000 */
  readonly maxRetryAfterMs?: number;
  /** Uniform in [0, 1). It moves only waits, never a figure. @default Math.random */
  readonly random?: () => number;
}

/**
 * `inner`, asked again on retriable failures.
 *
 * @throws FiducialError the last failure; `endpoint.overloaded` when the endpoint asks for a longer wait than allowed
 * @example const patient = retry(model, { attempts: 6 });
 */
export function retry<M extends Model>(inner: M, options: RetryOptions = {}): M {
  const {
    attempts = 4,
    overloadAttempts = 12,
    baseMs = 500,
    maxMs = 20_000,
    maxRetryAfterMs = 60_000,
    random = Math.random,
  } = options;

  return wrap(inner, async function* (ask, signal, callOptions) {
    const trace = callOptions?.trace;
    let overloads = 0;
    let failures = 0;
    for (;;) {
      const began = performance.now();
      const events: ReplyEvent[] = [];
      let hasDelivered = false;
      try {
        for await (const event of inner.reply(ask, signal, callOptions)) {
          if (callOptions?.incremental === true) {
            hasDelivered = true;
            yield event;
          } else events.push(event);
        }
      } catch (error) {
        if (signal.aborted) throw abortReason(signal);
        const failure = failureOf(error);
        trace?.attempts.push({
          ms: performance.now() - began,
          error: {
            code: isFiducialError(error) ? error.code : 'model.failed',
            message: error instanceof Error ? error.message : String(error),
          },
        });
        if (!failure.retriable || hasDelivered) throw error;
        if (failure.overloaded) overloads++;
        else failures++;
        if (overloads >= overloadAttempts || failures >= attempts) throw error;
        const asked = failure.retryAfterMs ?? 0;
        if (asked > maxRetryAfterMs) {
          throw endpointError(
            'endpoint.overloaded',
            `The endpoint asks to wait ${Math.round(asked / 1000)} s, longer than the ${Math.round(maxRetryAfterMs / 1000)} s allowed`,
            'Resume the run later, or raise maxRetryAfterMs.',
            { ...failure, retriable: false },
            error,
          );
        }
        const ceiling = Math.min(maxMs, baseMs * 2 ** (overloads + failures - 1));
        await pause(asked + random() * ceiling, signal);
        continue;
      }
      trace?.attempts.push({ ms: performance.now() - began });
      yield* events;
      return;
    }
  });
}
