/**
 * Time limits on any model: until its first event, between events, and in all. (The limit on connecting is the
 * endpoint's fetch's, providers/fetch.ts: only it knows when a connection stands.)
 *
 * A model that ignores its signal is left behind, not waited for: each wait races against one timer. Time that a call
 * spends in a queue is not counted, so this layer goes inside the limiter.
 */
import { endpointError } from './failure.ts';
import type { Model } from './model.ts';
import { abortReason, checkAborted, onAbort, wrap } from './wrap.ts';

export interface TimeoutOptions {
  /** @default 300_000; a reply that is not streamed arrives whole, so this bounds all of its writing */
  readonly firstEventMs?: number;
  /** @default 60_000 */
  readonly idleMs?: number;
  /** @default 600_000 */
  readonly totalMs?: number;
}

/**
 * `inner` with time limits.
 *
 * @throws FiducialError `endpoint.timeout`; retriable unless the whole took too long
 * @example const prompt = withTimeouts(model, { firstEventMs: 20_000 });
 */
export function withTimeouts<M extends Model>(inner: M, options: TimeoutOptions = {}): M {
  const { firstEventMs = 300_000, idleMs = 60_000, totalMs = 600_000 } = options;

  return wrap(inner, async function* (ask, signal, callOptions) {
    checkAborted(signal);
    const control = new AbortController();
    const began = performance.now();
    let lastEvent = began;
    let hasEvent = false;
    let fail: (error: Error) => void = () => {};
    const broken = new Promise<never>((_, reject) => {
      fail = (error) => {
        reject(error);
        control.abort(error);
      };
    });
    // The race below may be over before the timer fires; the rejection then has no other listener.
    broken.catch(() => {});
    const stopListening = onAbort(signal, () => fail(abortReason(signal)));

    // One timer that looks at the clock when it fires, instead of one set and cleared an event.
    let isWaiting = false;
    const check = () => {
      const now = performance.now();
      const waitMs = hasEvent ? idleMs : firstEventMs;
      const deadline = Math.min(began + totalMs, isWaiting ? lastEvent + waitMs : Infinity);
      if (now < deadline) {
        timer = setTimeout(check, Math.min(deadline - now, idleMs, firstEventMs) + 1);
        return;
      }
      fail(
        now >= began + totalMs
          ? timeout(inner.id, 'took longer in all than', totalMs, 'totalMs', false)
          : timeout(
              inner.id,
              hasEvent ? 'went silent for' : 'gave no first event within',
              waitMs,
              hasEvent ? 'idleMs' : 'firstEventMs',
              true,
            ),
      );
    };
    let timer = setTimeout(check, Math.min(firstEventMs, idleMs, totalMs) + 1);

    let iterator: AsyncIterator<unknown> | undefined;
    let isDone = false;
    try {
      const events = inner.reply(ask, control.signal, callOptions)[Symbol.asyncIterator]();
      iterator = events;
      for (;;) {
        isWaiting = true;
        lastEvent = performance.now();
        const next = await Promise.race([events.next(), broken]);
        isWaiting = false;
        if (next.done === true) {
          isDone = true;
          return;
        }
        hasEvent = true;
        yield next.value;
      }
    } finally {
      clearTimeout(timer);
      stopListening();
      if (!isDone) {
        control.abort(signal.aborted ? abortReason(signal) : new Error('the reply is no longer wanted'));
        // Not awaited: a model that hangs would hang its caller here.
        iterator?.return?.()?.catch(() => {});
      }
    }
  });
}

function timeout(id: string, what: string, ms: number, setting: string, isRetriable: boolean) {
  return endpointError(
    'endpoint.timeout',
    `${id} ${what} ${ms >= 1000 ? `${ms / 1000} s` : `${ms} ms`}`,
    `If the endpoint is only slow, raise ${setting}.`,
    { retriable: isRetriable, maybeBilled: true },
  );
}
