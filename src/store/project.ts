/**
 * What an event means for the tables beside the log: a pure function of its kind and data.
 *
 * The same function serves live writes, imports and `verify`, which recomputes it from the log and compares; so the
 * tables can't say anything that the log does not.
 */
import type { Observation } from '../core/index.ts';
import type { Json } from '../core/values.ts';
import { hexOf, refsIn } from './json.ts';
import type { RunStatus } from './store.ts';

/** Why a run refers to an artefact. A mention protects from collection; only `kept` and checkpoints stop a purge. */
export type Reason = 'mention' | 'transcript' | 'kept' | `checkpoint:${string}`;

export interface Totals {
  readonly measured: number;
  readonly undetermined: number;
  readonly error: number;
  readonly calls: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly costUsd: number;
}

export interface Projection {
  readonly trial?: Observation & { readonly set: string; readonly layer: string };
  readonly status?: { readonly status: RunStatus; readonly reason: string | null };
  readonly checkpoint?: { readonly key: string; readonly step: number; readonly ref: string };
  readonly adds?: Partial<Totals>;
  /** Digits of the refs, with the reason. */
  readonly references: readonly (readonly [hex: string, reason: Reason])[];
}

/** `text` is the JSON text of `data`. */
export function project(kind: string, data: Json, text: string): Projection {
  switch (kind) {
    case 'trial': {
      const trial = data as unknown as Observation & { set: string; layer?: string };
      const layer = trial.layer ?? '';
      return {
        trial: { ...trial, layer },
        // A rescoring layer reads the same items again; the run's own counts must not.
        ...(layer === '' ? { adds: { [trial.status]: 1 } } : {}),
        references: refsIn(text).map((hex) => [
          hex,
          trial.transcript?.endsWith(hex) === true ? 'transcript' : 'mention',
        ]),
      };
    }
    case 'call': {
      const call = data as { body: string; inputTokens?: number; outputTokens?: number; costUsd?: number };
      return {
        adds: {
          calls: 1,
          inputTokens: call.inputTokens ?? 0,
          outputTokens: call.outputTokens ?? 0,
          costUsd: call.costUsd ?? 0,
        },
        references: [[hexOf(call.body), 'transcript']],
      };
    }
    case 'kept':
      return { references: refsIn(text).map((hex) => [hex, 'kept']) };
    case 'checkpoint': {
      const { step, ref, loop } = data as { step: number; ref: string; loop: string };
      return { checkpoint: { key: loop, step, ref }, references: [[hexOf(ref), `checkpoint:${loop}`]] };
    }
    case 'run.created':
      return { status: { status: 'created', reason: null }, references: refsIn(text).map((hex) => [hex, 'mention']) };
    case 'run.status': {
      const { status, reason } = data as { status: RunStatus; reason?: string };
      return { status: { status, reason: reason ?? null }, references: [] };
    }
    case 'purged':
      return { references: [] };
    default:
      return { references: refsIn(text).map((hex) => [hex, 'mention']) };
  }
}

/** The value of what was measured. */
export function measuredValue(observation: Observation): number | undefined {
  return observation.status === 'measured' ? observation.value : undefined;
}

export const noTotals: Totals = {
  measured: 0,
  undetermined: 0,
  error: 0,
  calls: 0,
  inputTokens: 0,
  outputTokens: 0,
  costUsd: 0,
};

export function addTotals(a: Totals, b: Partial<Totals>): Totals {
  return {
    measured: a.measured + (b.measured ?? 0),
    undetermined: a.undetermined + (b.undetermined ?? 0),
    error: a.error + (b.error ?? 0),
    calls: a.calls + (b.calls ?? 0),
    inputTokens: a.inputTokens + (b.inputTokens ?? 0),
    outputTokens: a.outputTokens + (b.outputTokens ?? 0),
    costUsd: a.costUsd + (b.costUsd ?? 0),
  };
}
