/**
 * Strengths from pairwise comparisons: Bradley and Terry's model, and Elo's scale and running update.
 *
 * Sources: Bradley and Terry (1952); Ford (1957) for when a finite fit exists: each player must be reachable from each
 * other along wins, else the likelihood has no maximum and the fit is refused, or held by a stated regularisation; Elo
 * (1978). Fitted by Newton's method on the log-likelihood; errors from its curvature. Draws count half to each side.
 */
import { FiducialError, show } from '../errors.ts';
import { badInput, requireCount, requireFinite, requireProbability } from './checks.ts';
import { normalCritical } from './distributions.ts';
import { confidenceOf } from './estimate.ts';
import type { Estimate, IntervalOptions } from './estimate.ts';

/** One comparison, or several of one kind: `score` is the first player's, 1 won, 0 lost, 0.5 drawn. */
export interface Comparison {
  readonly first: string;
  readonly second: string;
  readonly score: number;
  /** How many comparisons this line stands for; 1 unless told. */
  readonly weight?: number;
}

export interface Rating extends Estimate {
  readonly player: string;
  readonly standardError: number;
  readonly comparisons: number;
}

export interface RatingOptions extends IntervalOptions {
  /** `log-odds` (default) or `elo`, where 400 points are odds of ten to one and the mean is 1500. */
  readonly scale?: 'log-odds' | 'elo';
  /**
   * Draws every strength to the mean with a normal prior of this standard deviation in log-odds, so that a fit exists
   * for disconnected players and for one who always wins. State it where the ratings are shown. Absent: no prior.
   */
  readonly priorDeviation?: number;
}

/**
 * Bradley-Terry strengths, strongest first, centred at mean 0 (1500 on Elo's scale), with intervals about that mean.
 *
 * @throws FiducialError `statistics.disconnected` without a prior, naming players that no chain of wins leads to.
 * @example
 * bradleyTerry([{ first: 'a', second: 'b', score: 1, weight: 6 }, { first: 'b', second: 'a', score: 1, weight: 2 }]);
 * // a: value 0.549 = log(6 / 2) / 2, b: value -0.549
 */
export function bradleyTerry(comparisons: readonly Comparison[], options: RatingOptions = {}): Rating[] {
  const critical = normalCritical(confidenceOf(options));
  const { players, wins } = tabulate(comparisons);
  const n = players.length;
  const { priorDeviation } = options;
  if (priorDeviation === undefined) requireConnected(players, wins);
  else if (!(priorDeviation > 0)) badInput('priorDeviation', priorDeviation, 'it must be above 0', 'Try 1 to 2.');
  const precision = priorDeviation === undefined ? 0 : 1 / priorDeviation ** 2;

  // The level of all strengths is free: adding 1 / n to every cell of the curvature fixes their sum at 0.
  let strengths: number[] = players.map(() => 0);
  let previous = -Infinity;
  for (let iteration = 0; iteration < 200; iteration++) {
    const { slope, curvature, value } = likelihood(strengths, wins, precision);
    const step = solve(curvature, slope);
    // Newton's step is halved while it would lower the likelihood.
    let size = 1;
    let next = strengths;
    for (; size > 1e-6; size /= 2) {
      next = strengths.map((s, i) => s + size * step[i]!);
      if (likelihood(next, wins, precision).value >= value - 1e-12 * Math.abs(value)) break;
    }
    strengths = next;
    if (Math.max(...step.map(Math.abs)) < 1e-11 || (value === previous && size < 1e-5)) break;
    previous = value;
  }
  const mean = strengths.reduce((a, b) => a + b, 0) / n;
  const { curvature } = likelihood(strengths, wins, precision);
  const [factor, centre] = options.scale === 'elo' ? [400 / Math.LN10, 1500] : [1, 0];
  return players
    .map((player, i) => {
      // The inverse holds the free level's variance, 1, once in every cell; taken out, errors are about the mean.
      const column = solve(
        curvature,
        players.map((_, j) => (i === j ? 1 : 0)),
      );
      const variance = column[i]! - (precision === 0 ? 1 / n : column.reduce((a, b) => a + b, 0) / n);
      const standardError = factor * Math.sqrt(Math.max(0, variance));
      const value = centre + factor * (strengths[i]! - mean);
      const half = critical * standardError;
      const played = wins[i]!.reduce((sum, won, j) => sum + won + wins[j]![i]!, 0);
      return { player, value, low: value - half, high: value + half, standardError, comparisons: played };
    })
    .sort((a, b) => b.value - a.value);
}

/**
 * Both ratings after one game by Elo's rule; `score` is the first player's. For ratings of a finished tournament use
 * {@link bradleyTerry} on the scale `elo`, which does not depend on the order of games.
 *
 * @example updateElo(1500, 1500, 1, 32) // [1516, 1484]
 */
export function updateElo(first: number, second: number, score: number, gain = 32): [number, number] {
  requireFinite('first', first);
  requireFinite('second', second);
  requireProbability('score', score);
  const expected = 1 / (1 + 10 ** ((second - first) / 400));
  const change = gain * (score - expected);
  return [first + change, second - change];
}

/** `wins[i][j]`: how often i beat j, a draw being half a win to each. */
function tabulate(comparisons: readonly Comparison[]): { players: string[]; wins: number[][] } {
  requireCount('the number of comparisons', comparisons.length, 1);
  const places = new Map<string, number>();
  for (const { first, second } of comparisons) {
    for (const player of [first, second]) if (!places.has(player)) places.set(player, places.size);
  }
  const players = [...places.keys()];
  const wins = players.map(() => players.map(() => 0));
  for (const [i, { first, second, score, weight = 1 }] of comparisons.entries()) {
    requireProbability(`comparisons[${i}].score`, score);
    if (first === second) badInput(`comparisons[${i}]`, first, 'a player cannot meet itself', 'Leave this line out.');
    if (!(weight > 0 && Number.isFinite(weight)))
      badInput(`comparisons[${i}].weight`, weight, 'it must be above 0', 'Leave the line out.');
    const [a, b] = [places.get(first)!, places.get(second)!];
    wins[a]![b]! += weight * score;
    wins[b]![a]! += weight * (1 - score);
  }
  return { players, wins };
}

/** Refuses tables where some players are not reached from the first along wins, or along losses. */
function requireConnected(players: readonly string[], wins: readonly (readonly number[])[]): void {
  for (const [how, beats] of [
    ['never won against', (a: number, b: number) => wins[b]![a]! > 0],
    ['never lost against', (a: number, b: number) => wins[a]![b]! > 0],
  ] as const) {
    const reached = new Set([0]);
    for (const a of reached) players.forEach((_, b) => void (beats(a, b) && reached.add(b)));
    if (reached.size === players.length) continue;
    const outside = players.filter((_, i) => !reached.has(i));
    const inside = players.filter((_, i) => reached.has(i));
    throw new FiducialError(
      'statistics.disconnected',
      `no finite ratings exist: ${show(outside)} ${how} ${show(inside)}, directly or through others`,
      'Play games between them, or pass priorDeviation (1.5, say) and state it with the ratings.',
    );
  }
}

/** Log-posterior, its slope, and minus its second derivatives with the level fixed. */
function likelihood(strengths: readonly number[], wins: readonly (readonly number[])[], precision: number) {
  const n = strengths.length;
  const slope = strengths.map((s) => -precision * s);
  const level = precision === 0 ? 1 / n : 0;
  const curvature = strengths.map((_, i) => strengths.map((__, j) => level + (i === j ? precision : 0)));
  let value = strengths.reduce((sum, s) => sum - (precision * s * s) / 2, 0);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) {
      const games = wins[i]![j]! + wins[j]![i]!;
      if (games === 0) continue;
      const d = strengths[i]! - strengths[j]!;
      const p = 1 / (1 + Math.exp(-d));
      // log p and log (1 - p) without overflow.
      value += wins[i]![j]! * -softplus(-d) + wins[j]![i]! * -softplus(d);
      const excess = wins[i]![j]! - games * p;
      slope[i]! += excess;
      slope[j]! -= excess;
      const weight = games * p * (1 - p);
      curvature[i]![i]! += weight;
      curvature[j]![j]! += weight;
      curvature[i]![j]! -= weight;
      curvature[j]![i]! -= weight;
    }
  }
  return { value, slope, curvature };
}

function softplus(x: number): number {
  return Math.max(0, x) + Math.log1p(Math.exp(-Math.abs(x)));
}

/** Solves a symmetric positive definite system by Cholesky's decomposition. */
function solve(matrix: readonly (readonly number[])[], right: readonly number[]): number[] {
  const n = right.length;
  const lower = right.map(() => new Float64Array(n));
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i]![j]!;
      for (let k = 0; k < j; k++) sum -= lower[i]![k]! * lower[j]![k]!;
      lower[i]![j] = i === j ? Math.sqrt(sum) : sum / lower[j]![j]!;
    }
  }
  const x = [...right];
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) x[i]! -= lower[i]![k]! * x[k]!;
    x[i]! /= lower[i]![i]!;
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) x[i]! -= lower[k]![i]! * x[k]!;
    x[i]! /= lower[i]![i]!;
  }
  return x;
}
