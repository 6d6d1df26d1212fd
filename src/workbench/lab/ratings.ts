/**
 * How far apart models are on the skills' dial, in Elo: each task of each level is a game between a model and that
 * level, won by whoever the reply is right or wrong for (Rasch 1960, as a Bradley-Terry model with the levels as
 * players). All models play the same tasks, so a difference is theirs. A prior keeps levels finite that nobody, or
 * everybody, solves; it is stated in the result.
 */
import { bradleyTerry, type Comparison } from '../../core/statistics/index.ts';
import { askItems } from '../../lab/organisms/measure.ts';
import { dialItems } from '../../lab/organisms/skills.ts';
import type { Town } from '../../lab/index.ts';
import type { Model } from '../../models/index.ts';

export interface DialRating {
  readonly model: string;
  /** Elo; the mean over models and levels is 1500. */
  readonly elo: number;
  readonly low: number;
  readonly high: number;
  /** Share of the whole dial that is right. */
  readonly share: number;
}

/** Standard deviation of the prior of each strength, in log-odds. */
export const PRIOR_DEVIATION = 2;

/** @param count tasks of each skill at each level */
export async function rateOnDial(
  models: readonly { readonly name: string; readonly model: Model }[],
  town: Town,
  seed: string,
  count: number,
): Promise<DialRating[]> {
  const items = dialItems(town, seed, count);
  const games: Comparison[] = [];
  const shares = new Map<string, number>();
  for (const { name, model } of models) {
    const replied = await askItems(model, items.map(({ item }) => item)); // prettier-ignore
    replied.forEach(({ shows }, i) => games.push({ first: name, second: items[i]!.level, score: shows ? 1 : 0 }));
    shares.set(name, replied.filter(({ shows }) => shows).length / replied.length);
  }
  return bradleyTerry(games, { scale: 'elo', priorDeviation: PRIOR_DEVIATION }).flatMap(
    ({ player, value, low, high }) =>
      shares.has(player) ? [{ model: player, elo: value, low, high, share: shares.get(player)! }] : [],
  );
}
