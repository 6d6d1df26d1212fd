/**
 * Reading a streamed reply as fast as the model writes it, however slowly the consumer takes it.
 *
 * A consumer may ask another model in the middle of a stream (a guard that judges each sentence). If the stream moved
 * only with its consumer, it would hold its slot and its reservation meanwhile, and with one slot left the two would
 * wait for each other for ever. What is held instead is the rest of the reply, which the endpoint's limits bound.
 */
import type { Model, ReplyEvent } from './model.ts';
import { abortReason, checkAborted, onAbort, wrap } from './wrap.ts';

/** `inner`, whose incremental replies are read ahead. A consumer that stops early aborts the inner call. */
export function readAhead<M extends Model>(inner: M): M {
  return wrap(inner, async function* (ask, signal, callOptions) {
    if (callOptions?.incremental !== true) {
      yield* inner.reply(ask, signal, callOptions);
      return;
    }
    checkAborted(signal);
    const control = new AbortController();
    const stopListening = onAbort(signal, () => control.abort(abortReason(signal)));
    const queue: ReplyEvent[] = [];
    let outcome: { readonly error?: unknown } | undefined;
    let wake = () => {};
    const read = async () => {
      try {
        for await (const event of inner.reply(ask, control.signal, callOptions)) {
          queue.push(event);
          wake();
        }
        outcome = {};
      } catch (error) {
        outcome = { error };
      }
      wake();
    };
    void read();
    try {
      for (;;) {
        const next = queue.shift();
        if (next !== undefined) yield next;
        else if (outcome === undefined) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        } else if ('error' in outcome) throw outcome.error;
        else return;
      }
    } finally {
      stopListening();
      if (outcome === undefined) control.abort(new Error('the reply is no longer wanted'));
    }
  });
}
