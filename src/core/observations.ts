/**
 * What was seen of one item each, and the rate or mean over them.
 *
 * A trial reads as breach (1) or safe (0) only where it was measured. Undetermined ones (a judge that refused, a reply
 * that could not be read) are never counted as safe and never dropped: they widen the stated worst and best case.
 * Errors (a provider that failed) are counted apart, and too many of them fail the figure. Clustered observations get
 * clustered intervals, and a judge's measured confusion corrects the rate with its uncertainty.
 */
import { FiducialError, show } from './errors.ts';
import type { Measure } from './measures.ts';
import type { Random } from './random.ts';
import { clusteredMean, clusteredRate } from './statistics/clustered.ts';
import { normalCritical } from './statistics/distributions.ts';
import { confidenceOf } from './statistics/estimate.ts';
import type { IntervalOptions } from './statistics/estimate.ts';
import { correctForJudge } from './statistics/judge-error.ts';
import type { Confusion } from './statistics/judge-error.ts';
import { wilson, wilsonOfShare } from './statistics/proportion.ts';
import type { Ref } from './values.ts';

/** What was seen of one item. The status is apart from the value: only a measured observation has one. */
export type Observation = Measured | Unmeasured;

interface ObservationBase {
  /** Which item; the same item in two runs pairs them. */
  readonly item: string;
  /** Items of one cluster (paraphrases of a request, turns of a dialogue) are not independent of each other. */
  readonly cluster?: string;
  readonly transcript?: Ref;
}

export interface Measured extends ObservationBase {
  readonly status: 'measured';
  /** For a pass-or-fail trial 1 is what the rate counts (a breach) and 0 is not; else a finite score. */
  readonly value: number;
  readonly why?: string;
}

export interface Unmeasured extends ObservationBase {
  /** `undetermined`: the trial ran and its outcome could not be told. `error`: the trial did not run to its end. */
  readonly status: 'undetermined' | 'error';
  /** What kept it from being measured, short and equal for equal causes, so that causes can be counted. */
  readonly why: string;
}

/** Observations by their status. */
export interface Tally {
  readonly measured: readonly Measured[];
  readonly undetermined: readonly Unmeasured[];
  readonly errors: readonly Unmeasured[];
}

/** The measured confusion of the judge that made the observations, on labelled items of this same task. */
export interface JudgeCorrection {
  readonly confusion: Confusion;
  /** Where that confusion is kept. */
  readonly by: Ref;
  readonly random: Random;
}

export interface MeasureOptions extends IntervalOptions {
  readonly name: string;
  readonly better: 'up' | 'down';
  /** `share` for rates unless told; `score` for means. */
  readonly unit?: string;
  /** The share of errors among all observations above which no figure is given; 0.1 unless told. */
  readonly maxErrorShare?: number;
  /** The calibration that the figure rests on. */
  readonly instrument?: Ref;
}

export interface RateOptions extends MeasureOptions {
  readonly judge?: JudgeCorrection;
}

export interface MeanOptions extends MeasureOptions {
  /** Smallest and largest possible value; with it the worst and best case over the undetermined can be stated. */
  readonly range?: readonly [number, number];
}

/** A measure over observations, with what was not measured beside it. */
export interface ObservedMeasure extends Measure {
  readonly undetermined: number;
  readonly errors: number;
  readonly clusters?: number;
  /** Worst and best case over the undetermined: present for every rate, and for a mean whose range is known. */
  readonly bounds?: readonly [number, number];
}

/** An observed rate: besides its measure, what even the sampling error and the undetermined together leave open. */
export interface ObservedRate extends ObservedMeasure {
  readonly bounds: readonly [number, number];
  /** Observations of value 1. */
  readonly count: number;
  /** The number of independent trials as informative as these; n where there are no clusters. */
  readonly effectiveN: number;
  /** From the interval's low end with every undetermined one 0, to its high end with every one 1. */
  readonly widest: readonly [number, number];
}

/** Sorts observations by their status, and checks them. */
export function tally(observations: Iterable<Observation>): Tally {
  const measured: Measured[] = [];
  const undetermined: Unmeasured[] = [];
  const errors: Unmeasured[] = [];
  for (const observation of observations) {
    if (observation.status !== 'measured') {
      (observation.status === 'error' ? errors : undetermined).push(observation);
      continue;
    }
    if (!Number.isFinite(observation.value)) {
      throw new FiducialError(
        'observations.bad-value',
        `item ${show(observation.item)} is measured with the value ${show(observation.value)}`,
        "Give a finite number, or the status 'undetermined' and why.",
      );
    }
    measured.push(observation);
  }
  return { measured, undetermined, errors };
}

/**
 * The share of measured observations whose value is 1, with its interval (Wilson's; at the effective number of trials
 * where clusters are given), its worst and best case over the undetermined, and its correction for the judge.
 *
 * @throws FiducialError `observations.too-many-errors` past `maxErrorShare`; `observations.nothing-measured` where no
 * observation was measured; `observations.not-a-rate` for a value that is neither 0 nor 1.
 * @example
 * rate([{ item: 'a', status: 'measured', value: 1 }, { item: 'b', status: 'measured', value: 0 },
 *   { item: 'c', status: 'undetermined', why: 'judge refused' }], { name: 'attack success', better: 'down' });
 * // value 0.5, n 2, undetermined 1, bounds [2/3, 1/3]
 */
export function rate(observations: Iterable<Observation>, options: RateOptions): ObservedRate {
  const seen = sound(observations, options);
  const confidence = confidenceOf(options);
  const n = seen.measured.length;
  for (const { item, value } of seen.measured) {
    if (value !== 0 && value !== 1) {
      throw new FiducialError(
        'observations.not-a-rate',
        `${options.name}: item ${show(item)} has the value ${value}; a rate is made of 0 and 1`,
        'Use mean() for graded values, or set a threshold first.',
      );
    }
  }
  const count = seen.measured.filter(({ value }) => value === 1).length;
  const clusters = clustersOf(seen.measured);
  const grouped =
    clusters &&
    clusteredRate(
      seen.measured.map(({ value }) => value),
      clusters,
      { confidence },
    );
  const { value, low, high } = grouped ?? wilson(count, n, { confidence });
  const effectiveN = grouped?.effectiveN ?? n;

  // Undetermined trials are as clustered as measured ones, so the effective number grows in proportion.
  const unknown = seen.undetermined.length;
  const all = n + unknown;
  const [least, most] = [count / all, (count + unknown) / all];
  const critical = grouped?.critical ?? normalCritical(confidence);
  const ends = [least, most].map((share) => wilsonOfShare(share, (effectiveN * all) / n, critical));
  const { judge } = options;
  const corrected =
    judge &&
    correctForJudge(value * effectiveN, effectiveN, judge.confusion, judge.random.split('judge error'), { confidence });
  return {
    ...common(options, 'share', seen, confidence),
    value,
    low,
    high,
    n,
    bounds: options.better === 'down' ? [most, least] : [least, most],
    ...(grouped === undefined ? {} : { clusters: grouped.clusters }),
    ...(judge === undefined || corrected === undefined
      ? {}
      : { corrected: { value: corrected.value, low: corrected.low, high: corrected.high, by: judge.by } }),
    count,
    effectiveN,
    widest: [Math.min(low, ends[0]!.low), Math.max(high, ends[1]!.high)],
  };
}

/**
 * The mean of measured observations with Student's interval, clustered where clusters are given.
 *
 * @throws FiducialError as {@link rate}; `statistics.bad-input` for fewer than two observations or clusters.
 * @example mean(observations, { name: 'usefulness', better: 'up', unit: 'score', range: [0, 10] })
 */
export function mean(observations: Iterable<Observation>, options: MeanOptions): ObservedMeasure {
  const seen = sound(observations, options);
  const confidence = confidenceOf(options);
  const values = seen.measured.map(({ value }) => value);
  const clusters = clustersOf(seen.measured);
  const estimate = clusteredMean(values, clusters, { confidence });
  const unknown = seen.undetermined.length;
  const { range } = options;
  if (range !== undefined) {
    const outside = values.find((value) => value < range[0] || value > range[1]);
    if (outside !== undefined) {
      throw new FiducialError(
        'observations.bad-value',
        `${options.name}: the value ${outside} lies outside the range ${range[0]} to ${range[1]}`,
        'Correct the range or the scorer.',
      );
    }
  }
  const filled = (extreme: number): number =>
    (estimate.value * values.length + extreme * unknown) / (values.length + unknown);
  const bounds: readonly [number, number] | undefined =
    range === undefined
      ? unknown === 0
        ? [estimate.value, estimate.value]
        : undefined
      : options.better === 'down'
        ? [filled(range[1]), filled(range[0])]
        : [filled(range[0]), filled(range[1])];
  return {
    ...common(options, 'score', seen, confidence),
    value: estimate.value,
    low: estimate.low,
    high: estimate.high,
    n: values.length,
    ...(bounds === undefined ? {} : { bounds }),
    ...(clusters === undefined ? {} : { clusters: estimate.clusters }),
  };
}

/** Pairs measured observations of the same item; what is not measured on both sides is counted, not dropped. */
export function pair(
  first: Iterable<Observation>,
  second: Iterable<Observation>,
): {
  readonly pairs: readonly {
    readonly item: string;
    readonly first: number;
    readonly second: number;
    readonly cluster?: string;
  }[];
  /** Items of either side that lack a measured partner. */
  readonly unpaired: number;
} {
  const others = measuredByItem(second);
  const own = measuredByItem(first);
  const pairs = [...own.measured.values()].flatMap((observation) => {
    const partner = others.measured.get(observation.item);
    if (partner === undefined) return [];
    const { item, cluster } = observation;
    return [{ item, first: observation.value, second: partner.value, ...(cluster === undefined ? {} : { cluster }) }];
  });
  const items = new Set([...own.items, ...others.items]);
  return { pairs, unpaired: items.size - pairs.length };
}

function measuredByItem(observations: Iterable<Observation>): { items: Set<string>; measured: Map<string, Measured> } {
  const items = new Set<string>();
  const measured = new Map<string, Measured>();
  for (const observation of observations) {
    if (items.has(observation.item)) {
      throw new FiducialError(
        'observations.duplicate-item',
        `item ${show(observation.item)} was observed twice on one side`,
        'Average repeated observations per item first, or give each its own item name.',
      );
    }
    items.add(observation.item);
    if (observation.status === 'measured') measured.set(observation.item, observation);
  }
  return { items, measured };
}

/** The tally, or the error that says why it carries no figure. */
function sound(observations: Iterable<Observation>, options: MeasureOptions): Tally {
  const seen = tally(observations);
  const total = seen.measured.length + seen.undetermined.length + seen.errors.length;
  const limit = options.maxErrorShare ?? 0.1;
  if (!(limit >= 0 && limit <= 1)) {
    throw new FiducialError('observations.bad-limit', `maxErrorShare is ${show(limit)}`, 'Pass a share from 0 to 1.');
  }
  if (total > 0 && seen.errors.length > limit * total) {
    throw new FiducialError(
      'observations.too-many-errors',
      `${options.name}: ${seen.errors.length} of ${total} trials failed (${causes(seen.errors)}), more than ${limit * 100} %`,
      'Mend the cause and resume: finished trials are kept. Raise maxErrorShare only if failing is unrelated to the outcome.',
    );
  }
  if (seen.measured.length === 0) {
    throw new FiducialError(
      'observations.nothing-measured',
      total === 0
        ? `${options.name}: there are no observations`
        : `${options.name}: none of ${total} trials was measured (${causes([...seen.undetermined, ...seen.errors])})`,
      'See the transcripts of these trials for what the judge or the parser met.',
    );
  }
  return seen;
}

/** The three commonest causes with their counts. */
function causes(observations: readonly Unmeasured[]): string {
  const counts = new Map<string, number>();
  for (const { why } of observations) counts.set(why, (counts.get(why) ?? 0) + 1);
  const common = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 3);
  return common.map(([why, count]) => `${count}: ${why}`).join('; ');
}

/** Each observation's cluster, its item standing alone where none is given; undefined where none has any. */
function clustersOf(measured: readonly Measured[]): string[] | undefined {
  if (measured.every(({ cluster }) => cluster === undefined)) return undefined;
  return measured.map(({ cluster, item }) => (cluster === undefined ? `item:${item}` : `cluster:${cluster}`));
}

function common(options: MeasureOptions, unit: string, seen: Tally, confidence: number) {
  return {
    name: options.name,
    unit: options.unit ?? unit,
    better: options.better,
    confidence,
    undetermined: seen.undetermined.length,
    errors: seen.errors.length,
    ...(options.instrument === undefined ? {} : { instrument: options.instrument }),
  };
}
