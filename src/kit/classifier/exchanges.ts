/**
 * Labelled exchanges: what guards are trained on, set by and measured with, and how they are split for the three.
 *
 * A request is labelled by what it asks, a reply by what it gives: a refused forbidden request is no harmful exchange
 * (card B2: label by the reply's harm, not by the prompt's topic). Splits go by cluster, so that paraphrases of one
 * request never stand on both sides; a row may name its split itself, and attack families that only the test names are
 * held out.
 */
import { z } from 'zod';
import type { Random } from '../../core/random.ts';
import type { LabelledText } from './train-text-classifier.ts';

export const exchangeKinds = ['benign', 'borderline', 'forbidden'] as const;
export type ExchangeKind = (typeof exchangeKinds)[number];

export const exchangeRow = z.strictObject({
  id: z.string().min(1),
  /** What was asked; the turns of a longer conversation as lines. */
  request: z.string().min(1),
  reply: z.string().optional(),
  /** What the request asks: borderline ones have the surface of the forbidden and ask nothing wrong. */
  kind: z.enum(exchangeKinds),
  /** Whether the reply gives what is forbidden; where it is not said, a reply to a forbidden request does. */
  harmful: z.union([z.literal(0), z.literal(1)]).optional(),
  /** The kind of attack that the request comes in. */
  family: z.string().optional(),
  cluster: z.string().optional(),
  split: z.enum(['train', 'calibration', 'test']).optional(),
});
export type Exchange = z.infer<typeof exchangeRow>;

export interface SplitExchanges {
  readonly train: readonly Exchange[];
  readonly calibration: readonly Exchange[];
  readonly test: readonly Exchange[];
}

/** Whether the exchange did harm. */
export function isHarmful({ kind, harmful, reply }: Exchange): boolean {
  return reply !== undefined && (harmful === undefined ? kind === 'forbidden' : harmful === 1);
}

/**
 * Half of the clusters to train on, a quarter to set thresholds, a quarter to measure; rows that name a split go there.
 *
 * @param random only its key matters: a cluster's side depends on its name alone, whatever other rows there are
 */
export function splitExchanges(rows: readonly Exchange[], random: Random): SplitExchanges {
  const sideOf = ({ split, cluster, request }: Exchange): keyof SplitExchanges => {
    if (split !== undefined) return split;
    const at = random.split(cluster ?? request).uniform();
    return at < 0.5 ? 'train' : at < 0.75 ? 'calibration' : 'test';
  };
  const sides = { train: [] as Exchange[], calibration: [] as Exchange[], test: [] as Exchange[] };
  for (const row of rows) sides[sideOf(row)].push(row);
  return sides;
}

/** The families of attack that the test has and training has not. */
export function heldOutFamilies({ train, test }: SplitExchanges): ReadonlySet<string> {
  const known = new Set(train.map(({ family }) => family));
  return new Set(test.flatMap(({ family }) => (family === undefined || known.has(family) ? [] : [family])));
}

/** Requests with whether they are forbidden. */
export function askTexts(rows: readonly Exchange[]): LabelledText[] {
  return rows.map(({ request, kind }) => ({ ask: request, label: kind === 'forbidden' ? 1 : 0 }));
}

/** Exchanges that have a reply, with whether it does harm. */
export function exchangeTexts(rows: readonly Exchange[]): LabelledText[] {
  return rows.flatMap((row) =>
    row.reply === undefined ? [] : [{ ask: row.request, reply: row.reply, label: isHarmful(row) ? 1 : 0 }],
  );
}
