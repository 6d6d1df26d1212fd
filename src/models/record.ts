/**
 * The recorder: keeps every call, and gives a recorded call back instead of calling again.
 *
 * A finished call is committed to the log before its reply's end is delivered, so that a run that is killed at any
 * moment repeats no call whose reply its method had seen. Replies are masked before they are delivered and stored; a
 * replay gives exactly the events that were delivered. A failed call is kept too, but is asked again on resume.
 */
import type { FiducialError } from '../core/errors.ts';
import { askHash, callKey, plainAsk } from './key.ts';
import type { CallTrace, Model, ReplyEvent, Usage } from './model.ts';
import { failureOf } from './failure.ts';
import type { CallLog, RecordedCall } from './ports.ts';
import type { Redactor } from './redact.ts';
import { abortReason, wrap } from './wrap.ts';

export interface RecordOptions {
  readonly log: CallLog;
  readonly redactor: Redactor;
  /** The trial or step that the calls belong to; equal asks are counted inside it. @default '' */
  readonly scope?: string;
  /** What a call cost, where its price is known. */
  readonly costOf?: (modelId: string, usage: Usage) => number | undefined;
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: () => number;
}

/**
 * `inner`, recorded. The n-th equal ask inside one scope is the n-th recorded call there, in whichever order they come
 * back; make one recorder a trial.
 *
 * @example const recorded = record(model, { log, redactor, scope: 'trial/17' });
 */
export function record<M extends Model>(inner: M, options: RecordOptions): M {
  const { log, redactor, scope = '', costOf, now = Date.now } = options;
  const seen = new Map<string, number>();

  return wrap(inner, async function* (ask, signal, callOptions) {
    const hash = askHash(ask);
    const ordinal = seen.get(hash) ?? 0;
    seen.set(hash, ordinal + 1);
    const key = callKey(inner.id, scope, hash, ordinal);
    const past = await masked(() => log.lookup(key), redactor);
    if (past !== undefined) {
      yield* past.events;
      return;
    }

    const trace: CallTrace = Object.assign(callOptions?.trace ?? newTrace(), { scope, ordinal });
    const startedAt = now();
    const began = performance.now();
    const commit = async (events: readonly ReplyEvent[], error?: FiducialError) => {
      const end = events.at(-1);
      const usage = end?.type === 'end' ? end.usage : undefined;
      const cost = trace.cached ? 0 : usage === undefined ? undefined : costOf?.(inner.id, usage);
      const requestId = trace.requestId ?? (error === undefined ? undefined : failureOf(error).requestId);
      const call: RecordedCall = {
        key,
        modelId: inner.id,
        scope,
        ordinal,
        askHash: hash,
        ask: redactor.json(plainAsk(ask)),
        outcome: error === undefined ? 'reply' : 'error',
        events,
        startedAt,
        latencyMs: performance.now() - began,
        queuedMs: trace.queuedMs,
        attempts: trace.attempts.map((attempt) =>
          attempt.error === undefined
            ? attempt
            : { ms: attempt.ms, error: { code: attempt.error.code, message: redactor.excerpt(attempt.error.message) } },
        ),
        cached: trace.cached,
        ...(error === undefined ? {} : { error: { code: error.code, message: error.message, hint: error.hint } }),
        ...(usage === undefined ? {} : { usage }),
        ...(cost === undefined ? {} : { cost }),
        ...(end?.type === 'end' && end.replyId !== undefined ? { replyId: end.replyId } : {}),
        ...(end?.type === 'end' && end.modelId !== undefined ? { providerModelId: end.modelId } : {}),
        ...(requestId === undefined ? {} : { requestId: redactor.text(requestId) }),
      };
      await masked(() => log.commit(call), redactor);
    };

    const events: ReplyEvent[] = [];
    let failure: FiducialError | undefined;
    try {
      const replies = inner.reply(ask, signal, { ...callOptions, trace });
      if (callOptions?.incremental === true) {
        for await (const event of redactStream(replies, redactor)) {
          events.push(event);
          // The end waits for the log: a method must not see a whole reply that the log lacks.
          if (event.type !== 'end') yield event;
        }
      } else {
        const whole: ReplyEvent[] = [];
        for await (const event of replies) whole.push(event);
        events.push(...redactor.events(whole));
      }
    } catch (error) {
      if (signal.aborted) throw abortReason(signal);
      failure = redactor.error(error);
    }
    if (failure !== undefined) {
      await commit([], failure);
      throw failure;
    }
    await commit(events);
    if (callOptions?.incremental !== true) yield* events;
    else if (events.at(-1)?.type === 'end') yield events.at(-1)!;
  });
}

/** What the log throws may quote what it was given. */
async function masked<T>(work: () => T | Promise<T>, redactor: Redactor): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw redactor.error(error);
  }
}

/** An empty trace. */
export function newTrace(): CallTrace {
  return { scope: '', ordinal: 0, attempts: [], queuedMs: 0, cached: false };
}

/** Masks events as they pass; text and reasoning are held back while they may begin a secret. */
async function* redactStream(events: AsyncIterable<ReplyEvent>, redactor: Redactor): AsyncGenerator<ReplyEvent> {
  const open = { text: redactor.stream(), reasoning: redactor.stream() };
  for await (const event of events) {
    if ((event.type === 'text' && event.logprobs === undefined) || event.type === 'reasoning') {
      const passed = open[event.type].push(event.text);
      if (passed !== '') yield { type: event.type, text: passed };
      continue;
    }
    for (const type of ['reasoning', 'text'] as const) {
      const rest = open[type].flush();
      if (rest !== '') yield { type, text: rest };
    }
    yield* redactor.events([event]);
  }
}
