/**
 * What an environment is: tools over a state that can be kept and brought back, and pure checks of that state.
 *
 * Every call is classified by what it would do, resolved with its input and the state, by the environment and never by
 * the agent: read, reversible (with its inverse), high impact, irreversible. What an agent calls wrongly is answered in
 * words and changes nothing. After AgentDojo (Debenedetti et al. 2024, arXiv 2406.13352): a task's usefulness and an
 * attack's success are functions of the states before and after and of what was said.
 */
import type { Tool } from '../../models/model.ts';
import type { Json, Ref } from '../../core/values.ts';

/** What a call does, from harmless to what cannot be taken back. */
export const effects = ['read', 'reversible', 'high-impact', 'irreversible'] as const;
export type Effect = (typeof effects)[number];

export interface Call {
  readonly tool: string;
  readonly input: Json;
}

export interface CallResult {
  /** What the tool says; for an agent this is data from outside. */
  readonly text: string;
  readonly effect: Effect;
  /** Whether the tool did what it was asked. */
  readonly isDone: boolean;
  /** The call that brings the state before back; of reversible calls that were done. */
  readonly undo?: Call;
}

export interface Environment<S extends Json = Json> {
  readonly tools: readonly Tool[];
  readonly state: S;
  call(call: Call): CallResult;
  /** What the call would do now, without doing it. */
  classify(call: Call): Effect;
  /** Keeps the state under the hash of its content. */
  snapshot(): Ref;
  /** @throws FiducialError `lab.no-snapshot` for a state that this environment did not keep */
  restore(at: Ref): void;
  /** Named pure functions of a state. */
  readonly checks: Readonly<Record<string, (state: S) => boolean>>;
}
