/**
 * Two runs side by side, paired where the items are the same.
 *
 * A rate is compared by McNemar's mid-p test with Tango's interval of the paired difference; a mean by the sign-flip
 * permutation test with a bootstrap interval; clustered items by whole clusters, for both. Where items differ there is
 * no pairing, and two independent shares are compared (Fisher, Newcombe). p-values over several measures are Holm's.
 */
import { FiducialError } from '../core/errors.ts';
import { pair, tally } from '../core/observations.ts';
import type { Observation } from '../core/observations.ts';
import { random } from '../core/random.ts';
import type { Random } from '../core/random.ts';
import { bootstrap } from '../core/statistics/bootstrap.ts';
import { holm } from '../core/statistics/multiple-testing.ts';
import { mcnemar, pairedTable, signFlipTest } from '../core/statistics/paired-tests.ts';
import { differenceOfPaired, differenceOfProportions, fisherExact } from '../core/statistics/two-proportions.ts';
import type { Run } from '../store/store.ts';
import { type Derivation, observationsOf, readOutcome } from './figures.ts';

export interface Difference {
  readonly name: string;
  readonly first: number;
  readonly second: number;
  /** second - first, with its interval. */
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly unit: string;
  readonly better: 'up' | 'down';
  /** Pairs, or observations of both sides where they are not paired. */
  readonly n: number;
  readonly isPaired: boolean;
  /** Items of one side without a measured partner. */
  readonly unpaired: number;
  readonly test: string;
  readonly p: number;
  /** Holm's, over all measures of this comparison. */
  readonly adjustedP: number;
}

export interface Comparison {
  readonly first: string;
  readonly second: string;
  readonly differences: readonly Difference[];
  /** Measures of one side only, or that cannot be taken from trials. */
  readonly leftOut: readonly string[];
  /** What of the specification differs. */
  readonly changed: readonly string[];
}

export interface CompareOptions {
  readonly confidence?: number;
  /** A rescoring layer, on both sides. */
  readonly layer?: string;
}

/**
 * Compares the second run with the first.
 *
 * @throws FiducialError `compare.no-outcome` for a run that has not ended; `compare.nothing-shared`
 * @example const { differences } = await compareRuns(before, after);
 */
export async function compareRuns(first: Run, second: Run, options: CompareOptions = {}): Promise<Comparison> {
  const [one, two] = [await derivations(first), await derivations(second)];
  const shared = [...one.keys()].filter((name) => two.has(name));
  if (shared.length === 0) {
    throw new FiducialError(
      'compare.nothing-shared',
      `Runs ${first.id} (${first.spec.method}) and ${second.id} (${second.spec.method}) share no measure of trials`,
      'Compare runs of one method, or of methods that name a measure alike.',
    );
  }
  const rest = new Set([...(await namesOf(first)), ...(await namesOf(second))]);
  for (const name of shared) rest.delete(name);
  const differences: Omit<Difference, 'adjustedP'>[] = [];
  for (const name of shared) {
    const [left, right] = [one.get(name)!, two.get(name)!];
    differences.push(
      differenceOf(
        left,
        await observationsOf(first, left.set, options.layer),
        await observationsOf(second, right.set, options.layer),
        options,
      ),
    );
  }
  const adjusted = holm(differences.map(({ p }) => p));
  return {
    first: first.id,
    second: second.id,
    differences: differences.map((each, i) => ({ ...each, adjustedP: adjusted[i]! })),
    leftOut: [...rest],
    changed: changedIn(first, second),
  };
}

async function derivations(run: Run): Promise<Map<string, Derivation>> {
  const stored = await readOutcome(run);
  if (stored === undefined) {
    throw new FiducialError(
      'compare.no-outcome',
      `Run ${run.id} has no outcome yet`,
      `fiducial resume ${run.id} brings it to its end.`,
    );
  }
  return new Map(stored.derived.map((each) => [each.options.name, each]));
}

async function namesOf(run: Run): Promise<string[]> {
  return ((await readOutcome(run))?.outcome.measures ?? []).map(({ name }) => name);
}

/** One measure's difference. Exported for tests and for methods that compare within a run. */
export function differenceOf(
  derivation: Derivation,
  first: readonly Observation[],
  second: readonly Observation[],
  options: CompareOptions = {},
): Omit<Difference, 'adjustedP'> {
  const { name, better } = derivation.options;
  const { pairs, unpaired } = pair(first, second);
  const isRate = derivation.kind === 'rate';
  const about = { name, better, unit: derivation.options.unit ?? (isRate ? 'share' : 'score') };
  const confidence = options.confidence === undefined ? {} : { confidence: options.confidence };
  // A handful of common items among hundreds is no paired design.
  const isPaired = pairs.length > 0 && pairs.length >= unpaired;
  const own = random(`compare ${name}`);
  if (!isPaired) return { ...about, ...independent(isRate, first, second, own, confidence), isPaired, unpaired };
  const [one, two] = [average(pairs.map((each) => each.first)), average(pairs.map((each) => each.second))];
  const sides = { ...about, first: one, second: two, n: pairs.length, isPaired, unpaired };
  const isClustered = pairs.some(({ cluster }) => cluster !== undefined) && hasRepeats(pairs);
  if (isRate && !isClustered) {
    // The table counts the second side first, because the difference is second - first.
    const table = pairedTable(pairs.map((each) => ({ first: each.second, second: each.first })));
    return { ...sides, ...differenceOfPaired(table, confidence), test: 'McNemar, mid-p', p: mcnemar(table).p };
  }
  const groups = groupsOf(pairs);
  const flips = signFlipTest(
    groups.map(({ sum }) => sum),
    own.split('flips'),
  );
  const interval =
    groups.length < 2
      ? { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY }
      : bootstrap(groups, meanOfGroups, own.split('interval'), { ...confidence, method: 'percentile' });
  return {
    ...sides,
    value: meanOfGroups(groups),
    low: interval.low,
    high: interval.high,
    test: isClustered ? 'sign flips of clusters' : 'sign flips',
    p: flips.p,
  };
}

interface Group {
  readonly sum: number;
  readonly count: number;
}

/** Differences summed by cluster; an item without one stands alone. */
function groupsOf(
  pairs: readonly {
    readonly item: string;
    readonly first: number;
    readonly second: number;
    readonly cluster?: string;
  }[],
): Group[] {
  const groups = new Map<string, { sum: number; count: number }>();
  for (const { item, cluster, first, second } of pairs) {
    const key = cluster === undefined ? `item ${item}` : `cluster ${cluster}`;
    const group = groups.get(key) ?? { sum: 0, count: 0 };
    group.sum += second - first;
    group.count += 1;
    groups.set(key, group);
  }
  return [...groups.values()];
}

function meanOfGroups(groups: readonly Group[]): number {
  return groups.reduce((sum, each) => sum + each.sum, 0) / groups.reduce((sum, each) => sum + each.count, 0);
}

function hasRepeats(pairs: readonly { readonly cluster?: string }[]): boolean {
  const clusters = pairs.map(({ cluster }) => cluster).filter((each) => each !== undefined);
  return new Set(clusters).size < clusters.length;
}

function independent(
  isRate: boolean,
  first: readonly Observation[],
  second: readonly Observation[],
  own: Random,
  confidence: { readonly confidence?: number },
): Pick<Difference, 'first' | 'second' | 'value' | 'low' | 'high' | 'n' | 'test' | 'p'> {
  const [one, two] = [first, second].map((side) => tally(side).measured.map(({ value }) => value)) as [
    number[],
    number[],
  ];
  if (one.length === 0 || two.length === 0) {
    throw new FiducialError(
      'compare.nothing-measured',
      `One side has no measured observation (${one.length} and ${two.length})`,
      'See the transcripts for what kept them from being measured.',
    );
  }
  const sides = { first: average(one), second: average(two), n: one.length + two.length };
  if (isRate) {
    const successes = (values: readonly number[]) => ({
      successes: values.filter((value) => value === 1).length,
      n: values.length,
    });
    const [a, b] = [successes(two), successes(one)];
    return {
      ...sides,
      ...differenceOfProportions(a, b, confidence),
      test: 'Fisher, not paired',
      p: fisherExact(a, b).p,
    };
  }
  const values = [...one.map((value) => ({ value, side: 0 })), ...two.map((value) => ({ value, side: 1 }))];
  const value = sides.second - sides.first;
  const draws = 10_000;
  let extreme = 0;
  for (let draw = 0; draw < draws; draw++) {
    const shuffled = own.shuffle(values);
    const other = average(shuffled.slice(one.length).map((each) => each.value));
    const rest = average(shuffled.slice(0, one.length).map((each) => each.value));
    if (Math.abs(other - rest) >= Math.abs(value) - 1e-12) extreme++;
  }
  const interval = bootstrap(
    values,
    (sample) => {
      const [a, b] = [0, 1].map((side) => sample.filter((each) => each.side === side).map((each) => each.value));
      return a!.length === 0 || b!.length === 0 ? value : average(b!) - average(a!);
    },
    own.split('interval'),
    { ...confidence, method: 'percentile' },
  );
  return {
    ...sides,
    value,
    low: interval.low,
    high: interval.high,
    test: 'permutation, not paired',
    p: (extreme + 1) / (draws + 1),
  };
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** What of the specification differs between two runs, in words. */
function changedIn(first: Run, second: Run): string[] {
  const flat = (run: Run): Record<string, string> => {
    const { method, params, models, seed, hashes, replicate } = run.spec;
    const entries = { method, models, seed, code: hashes.code, data: hashes.data, weights: hashes.weights, replicate };
    const fields = params !== null && typeof params === 'object' ? Object.entries(params) : [];
    return Object.fromEntries(
      [...Object.entries(entries), ...fields.map(([name, value]) => [`params.${name}`, value] as const)].map(
        ([name, value]) => [name, JSON.stringify(value) ?? ''],
      ),
    );
  };
  const [one, two] = [flat(first), flat(second)];
  return [...new Set([...Object.keys(one), ...Object.keys(two)])].filter((name) => one[name] !== two[name]);
}

/** One line of words for a difference. */
export function describeDifference(each: Difference): string {
  const scale = each.unit === 'share' ? 100 : 1;
  const unit = each.unit === 'share' ? ' points' : each.unit === 'score' ? '' : ` ${each.unit}`;
  const figure = (value: number): string => (scale * value).toFixed(scale === 100 ? 1 : 3);
  const signed = (value: number): string => `${value > 0 ? '+' : ''}${figure(value)}`;
  // The test decides: with several measures an interval that just misses 0 is not yet a difference.
  const verdict = each.adjustedP >= 0.05 ? 'no difference shown' : isWorse(each) ? 'worse' : 'better';
  return (
    `${each.name}: ${figure(each.first)} -> ${figure(each.second)}, ${signed(each.value)}${unit} ` +
    `[${signed(each.low)}, ${signed(each.high)}], p = ${each.adjustedP.toPrecision(2)} ` +
    `(${each.test}${each.adjustedP === each.p ? '' : ', Holm'}), ${each.isPaired ? `${each.n} pairs` : `n = ${each.n}`}` +
    `${each.unpaired > 0 && each.isPaired ? `, ${each.unpaired} without a partner` : ''}: ${verdict}`
  );
}

/** The measures of a run that fall on the wrong side of a difference, for exit codes. */
export function isWorse(each: Difference, level = 0.05): boolean {
  return each.adjustedP < level && each.value !== 0 && each.value > 0 !== (each.better === 'up');
}
