/**
 * What a guard is: it sees an ask before it is sent and the reply's events as they stream, may rewrite or halt either,
 * and says why, by which score against which threshold.
 *
 * Plain interfaces, so that a guard is a plain object and each kind can be a file of its own; `guarded.ts` puts guards
 * around a model. A block is data: a verdict event and a reply that ends as `blocked`. A guard that fails throws, and
 * the call fails with it: a reply that nobody judged is never delivered as if it had passed.
 */
import type { Ask, Model, ReplyEvent, ScoredModel } from '../model.ts';

/** The rungs of the ladder of access, lowest first. */
export type Rung = 'chat' | 'logprobs' | 'weights';

/** What a guard found. `blocked` ends the call; without it the verdict is on record and the call goes on. */
export interface GuardVerdict {
  /** On the guard's own scale, higher being worse. */
  readonly score: number;
  /** The score above which the guard blocks. */
  readonly threshold: number;
  readonly blocked: boolean;
  /** Short, and equal for equal causes, so that causes can be counted. */
  readonly why: string;
}

/** What a guard makes of an ask that is about to be sent. */
export interface AskStep {
  readonly verdict?: GuardVerdict | undefined;
  /** Sent instead. */
  readonly ask?: Ask | undefined;
}

/** What a guard makes of an event of the reply. */
export interface EventStep {
  readonly verdict?: GuardVerdict | undefined;
  /**
   * Passed on instead of the event: nothing while the guard holds it back, several events where it lets go of what it
   * held. Passed on before a block takes effect. The reply's end needs no passing.
   */
  readonly pass?: readonly ReplyEvent[] | undefined;
}

/** A guard at work on one call. One that lacks `ask` sends every ask; one that lacks `event` passes every event. */
export interface Watch {
  ask?(signal: AbortSignal): AskStep | Promise<AskStep>;
  /** Called for text, reasoning, tool calls and the end, in their order; other guards' verdicts pass it by. */
  event?(event: Exclude<ReplyEvent, { type: 'verdict' }>, signal: AbortSignal): EventStep | Promise<EventStep>;
}

export interface Guard {
  /** Changes with everything that may change a verdict: kind, words, weights, threshold. */
  readonly id: string;
  /** The access that it needs to the model it stands before; `chat` for one that reads only words. */
  readonly reads: Rung;
  /** A watch over one call. @param inner the model behind the guard, with the access that `reads` names */
  watch(ask: Ask, inner: Model): Watch;
}

/** What a guarded model is besides its inner model. */
export interface Guarded {
  /** Ids of the guards, the outermost first. */
  readonly guards: readonly string[];
}

/** The highest rung of the ladder that a model stands on. */
export function rungOf(model: Model): Rung {
  const hasLogprobs = 'logprobs' in model && typeof (model as ScoredModel).logprobs === 'function';
  if (!hasLogprobs) return 'chat';
  return 'network' in model ? 'weights' : 'logprobs';
}
