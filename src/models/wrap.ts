/**
 * Putting a layer around a model without losing what the model is.
 *
 * A wrapped model answers `reply` through its layer and everything else (log-probabilities, weights, taps) as its inner
 * model does, so that gradients and taps reach through guards and recorders. A proxy rather than a copy, because models
 * may keep private fields and getters.
 */
import type { Model } from './model.ts';

/**
 * `inner` with another `reply`.
 *
 * @param reply called without a receiver
 * @example const loud = wrap(model, (ask, signal, options) => model.reply(shout(ask), signal, options));
 */
export function wrap<M extends Model>(
  inner: M,
  reply: Model['reply'],
  also: Readonly<Record<string, unknown>> = {},
): M {
  const own: Readonly<Record<string, unknown>> = { ...also, reply };
  const bound = new Map<PropertyKey, unknown>();
  return new Proxy(inner, {
    get(target, property) {
      if (typeof property === 'string' && Object.hasOwn(own, property)) return own[property];
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== 'function') return value;
      let method = bound.get(property);
      if (method === undefined) {
        method = value.bind(target);
        bound.set(property, method);
      }
      return method;
    },
    has: (target, property) => (typeof property === 'string' && Object.hasOwn(own, property)) || property in target,
  });
}

/** Throws the signal's reason if it has aborted. */
export function checkAborted(signal: AbortSignal): void {
  if (signal.aborted) throw abortReason(signal);
}

/** The reason of an aborted signal, as an error. */
export function abortReason(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error(`cancelled: ${String(signal.reason)}`);
}

/**
 * Calls `listener` when `signal` aborts, until the returned function is called.
 *
 * A run's one signal is heard by every call under way; one real listener a signal serves them all, where thousands would
 * make Node warn of a leak.
 */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  let heard = listeners.get(signal);
  if (heard === undefined) {
    const all = new Set<() => void>();
    heard = all;
    listeners.set(signal, all);
    signal.addEventListener(
      'abort',
      () => {
        for (const each of all) each();
        all.clear();
      },
      { once: true },
    );
  }
  heard.add(listener);
  return () => void heard.delete(listener);
}

const listeners = new WeakMap<AbortSignal, Set<() => void>>();

/** Waits; ends early with the signal's reason when it aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(abortReason(signal));
      return;
    }
    const stop = onAbort(signal, () => {
      clearTimeout(timer);
      reject(abortReason(signal));
    });
    const timer = setTimeout(() => {
      stop();
      resolve();
    }, ms);
  });
}
