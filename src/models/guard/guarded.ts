/**
 * Guards around a model.
 *
 * The first guard is the outermost: it sees the ask first, as the user wrote it, and the reply last, as the user would
 * get it. The guarded model keeps its inner model's access, so that gradients and taps reach through. A streamed reply
 * that is halted breaks off the inner call, and its usage is estimated from what was written until then; a reply that
 * is not streamed was paid for in full, and its usage is the model's own.
 */
import { createHash } from 'node:crypto';
import { FiducialError } from '../../core/errors.ts';
import type { Ask, CallOptions, Model, ReplyEvent, TokenLogprob, Usage } from '../model.ts';
import { estimateUsage } from '../reply.ts';
import { wrap } from '../wrap.ts';
import { type Guard, type Guarded, type GuardVerdict, rungOf, type Watch } from './guard.ts';

export interface GuardedOptions {
  /**
   * What the user reads where a guard blocked before anything was shown, as products show it; an empty text shows
   * nothing. What was shown before a block in the middle stays, and nothing is added to it.
   */
  readonly says?: string;
}

type TextEvent = Extract<ReplyEvent, { type: 'text' }>;

/**
 * `model` behind `guards`.
 *
 * @throws FiducialError `guard.no-access` where a guard reads more of the model than it offers; whatever a guard throws
 * @example
 * const safe = guarded(model, [keywordGuard(['grimroot'])]);
 * (await collect(safe, 'How do I brew grimroot?')).ended // 'blocked'
 */
export function guarded<M extends Model>(
  model: M,
  guards: readonly Guard[],
  { says = blockedWords }: GuardedOptions = {},
): M & Guarded {
  for (const guard of guards) {
    const has = rungOf(model);
    if (rungs.indexOf(guard.reads) <= rungs.indexOf(has)) continue;
    throw new FiducialError(
      'guard.no-access',
      `The guard ${guard.id} reads a model's ${guard.reads}, and ${model.id} offers ${has}`,
      'Guard a model with that access (a checkpoint folder, a lab model), or choose a guard that reads words.',
    );
  }
  const whole = guards.reduceRight((inner, guard) => one(inner, guard, says), model);
  const id = guards.reduceRight((inner, guard) => `guarded:${guard.id}@${inner}`, model.id);
  return wrap(whole, (ask, signal, options) => whole.reply(ask, signal, options), {
    id,
    guards: guards.map((guard) => guard.id),
  }) as M & Guarded;
}

function one<M extends Model>(inner: M, guard: Guard, says: string): M {
  return wrap(inner, async function* (ask, signal, options) {
    let costMs = 0;
    const timed = async <T>(work: () => T | Promise<T>): Promise<T> => {
      const began = performance.now();
      try {
        return await work();
      } finally {
        costMs += performance.now() - began;
      }
    };
    const eventOf = (verdict: GuardVerdict): ReplyEvent => ({ type: 'verdict', guard: guard.id, ...verdict, costMs });

    const watch = await timed(() => guard.watch(ask, inner));
    const before = watch.ask === undefined ? {} : await timed(() => watch.ask!(signal));
    if (before.verdict !== undefined) yield eventOf(before.verdict);
    if (before.verdict?.blocked === true) {
      if (says !== '') yield { type: 'text', text: says };
      yield { type: 'end', reason: 'blocked', usage: { inputTokens: 0, outputTokens: 0 } };
      return;
    }
    yield* reply(inner, before.ask ?? ask, signal, options, { watch, timed, eventOf, says });
  });
}

interface Parts {
  readonly watch: Watch;
  readonly timed: <T>(work: () => T | Promise<T>) => Promise<T>;
  readonly eventOf: (verdict: GuardVerdict) => ReplyEvent;
  readonly says: string;
}

async function* reply(
  inner: Model,
  ask: Ask,
  signal: AbortSignal,
  options: CallOptions | undefined,
  { watch, timed, eventOf, says }: Parts,
): AsyncGenerator<ReplyEvent> {
  if (watch.event === undefined) {
    yield* inner.reply(ask, signal, options);
    return;
  }
  let written = '';
  let isShown = false;
  let isHalted = false;
  let usage: Usage | undefined;
  for await (const event of inner.reply(ask, signal, options)) {
    if (event.type === 'end') usage = event.usage;
    // A reply that is not streamed has been paid for by now; its own end says how much.
    if (isHalted) continue;
    if (event.type === 'verdict') {
      yield event;
      continue;
    }
    if (event.type === 'text' || event.type === 'reasoning') written += event.text;

    const step = await timed(() => watch.event!(event, signal));
    for (const passed of step.pass ?? (event.type === 'end' ? [] : [event])) {
      if (passed.type === 'end') continue;
      isShown ||= passed.type !== 'verdict' && !('text' in passed && passed.text === '');
      yield passed;
    }
    if (step.verdict !== undefined) yield eventOf(step.verdict);
    if (step.verdict?.blocked !== true) {
      if (event.type === 'end') yield event;
      continue;
    }
    isHalted = true;
    if (options?.incremental === true) break;
  }
  if (!isHalted) return;
  if (!isShown && says !== '') yield { type: 'text', text: says };
  yield { type: 'end', reason: 'blocked', usage: usage ?? estimateUsage(ask, written) };
}

/**
 * A text event cut after `characters` (UTF-16 units): what comes before, and what comes after. Log-probabilities go
 * with their tokens; a token that straddles the cut goes with what comes after.
 */
export function cutText(event: TextEvent, characters: number): [TextEvent, TextEvent] {
  const head: TokenLogprob[] = [];
  let length = 0;
  for (const token of event.logprobs ?? []) {
    length += token.token.length;
    if (length > characters) break;
    head.push(token);
  }
  const part = (text: string, logprobs: readonly TokenLogprob[]): TextEvent => ({
    type: 'text',
    text,
    ...(event.logprobs === undefined ? {} : { logprobs }),
  });
  return [
    part(event.text.slice(0, characters), head),
    part(event.text.slice(characters), event.logprobs?.slice(head.length) ?? []),
  ];
}

/** Twelve hexadecimal digits of what defines a guard, for its id. */
export function guardHash(definition: string): string {
  return createHash('sha256').update(definition).digest('hex').slice(0, 12);
}

const rungs = ['chat', 'logprobs', 'weights'] as const;

const blockedWords = "I can't help with that.";
