/**
 * Trial sets and the figures taken from them, so that a figure can be taken again: from another judge's reading of the
 * same transcripts, or with a judge's errors that were measured only later.
 *
 * Each rate and mean is remembered as a {@link Derivation}; the stored outcome holds them beside its measures.
 */
import type { Measure, Outcome } from '../core/measures.ts';
import { mean, rate } from '../core/observations.ts';
import type { MeanOptions, Observation, ObservedMeasure, ObservedRate } from '../core/observations.ts';
import type { Random } from '../core/random.ts';
import type { Confusion } from '../core/statistics/judge-error.ts';
import type { Json, Ref } from '../core/values.ts';
import type { SetRateOptions, TrialSet } from '../methods/method.ts';
import type { Run, Trial } from '../store/store.ts';

/** How a measure came from a set. */
export type Derivation =
  | { readonly kind: 'rate'; readonly set: string; readonly options: SetRateOptions }
  | { readonly kind: 'mean'; readonly set: string; readonly options: MeanOptions };

/** A judge's errors, measured on labelled items of the task at hand. */
export interface Correction {
  /** The judge's identity. */
  readonly judge: string;
  readonly confusion: Confusion;
  /** Where they are kept. */
  readonly by: Ref;
}

export interface FigureOptions {
  /** Used where a figure sets none of its own. */
  readonly maxErrorShare: number;
  /** The run's randomness; only the interval of a correction draws from it. */
  readonly random: Random;
  readonly correction?: Correction | undefined;
}

/** A set over its observations. `remember` hears of every figure that is taken. */
export function trialSet(
  key: string,
  observations: readonly Observation[],
  options: FigureOptions,
  remember: (derivation: Derivation) => void,
): TrialSet {
  return {
    key,
    observations,
    rate(asked) {
      remember({ kind: 'rate', set: key, options: asked });
      return takeRate(observations, asked, options);
    },
    mean(asked) {
      remember({ kind: 'mean', set: key, options: asked });
      return mean(observations, { maxErrorShare: options.maxErrorShare, ...asked });
    },
  };
}

function takeRate(
  observations: readonly Observation[],
  { judge, ...asked }: SetRateOptions,
  options: FigureOptions,
): ObservedRate {
  const { correction } = options;
  return rate(observations, {
    maxErrorShare: options.maxErrorShare,
    ...asked,
    ...(correction === undefined || judge === undefined || correction.judge !== judge
      ? {}
      : {
          judge: {
            confusion: correction.confusion,
            by: correction.by,
            random: options.random.split('correction').split(asked.name),
          },
        }),
  });
}

/** The figure that a derivation gives over other observations of its set. */
export function derive(
  derivation: Derivation,
  observations: readonly Observation[],
  options: FigureOptions,
): ObservedMeasure {
  return derivation.kind === 'rate'
    ? takeRate(observations, derivation.options, options)
    : mean(observations, { maxErrorShare: options.maxErrorShare, ...derivation.options });
}

/** What a run came to, as it is stored. */
export interface StoredOutcome {
  readonly outcome: Outcome;
  readonly derived: readonly Derivation[];
}

const outcomeKey = 'outcome';

export async function storeOutcome(run: Run, stored: StoredOutcome): Promise<StoredOutcome> {
  const event = await run.append({ kind: 'outcome', key: outcomeKey, data: stored as unknown as Json });
  return event.data as unknown as StoredOutcome;
}

/** The stored outcome, or undefined while there is none. */
export async function readOutcome(run: Run): Promise<StoredOutcome | undefined> {
  const event = await run.event('outcome', outcomeKey);
  return event === undefined ? undefined : (event.data as unknown as StoredOutcome);
}

/** All observations of a set in one layer, in the order of their items' names. */
export async function observationsOf(run: Run, set: string, layer = ''): Promise<Observation[]> {
  const observations: Observation[] = [];
  for await (const trial of run.eachTrial({ set, layer, order: 'item' })) observations.push(observationOf(trial));
  return observations;
}

/** A stored trial as an observation. */
export function observationOf(trial: Trial): Observation {
  const { seq: _, set: __, layer: ___, ...observation } = trial;
  return observation;
}

/**
 * The measures of a run taken again over a layer: those that came straight from a set are derived anew, the others are
 * left out, because only the method knows how they came about.
 */
export async function takeAgain(
  run: Run,
  stored: StoredOutcome,
  options: FigureOptions & { readonly layer?: string },
): Promise<{ readonly measures: readonly Measure[]; readonly leftOut: readonly string[] }> {
  const measures: Measure[] = [];
  const taken = new Set<string>();
  for (const derivation of stored.derived) {
    const { name } = derivation.options;
    if (taken.has(name) || !stored.outcome.measures.some((measure) => measure.name === name)) continue;
    taken.add(name);
    measures.push(derive(derivation, await observationsOf(run, derivation.set, options.layer), options));
  }
  const leftOut = stored.outcome.measures.filter(({ name }) => !taken.has(name)).map(({ name }) => name);
  return { measures, leftOut };
}
