/**
 * What is handed from process to process: a run to be led, a few trials to be made, and how both are named.
 *
 * A unit's id holds its run, its set, its place in the set and its attempt, so that whoever leads the run names the same
 * unit the same way. Everything here is JSON.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { priceBook, type PriceBook } from '../../models/prices.ts';
import type { RunSpec } from '../../store/store.ts';
import type { RunOptions } from '../world.ts';

const amount = z.number().min(0);
const rate = z.strictObject({ amount: z.number().positive(), windowMs: z.number().positive() });

/** The options of a run that hold wherever its parts are made. */
export const sharedOptions = z.strictObject({
  concurrency: z.int().min(1).optional(),
  maxErrorShare: z.number().min(0).max(1).optional(),
  budget: z
    .strictObject({
      money: amount.optional(),
      tokens: amount.optional(),
      calls: amount.optional(),
      replyTokens: z.int().min(1).optional(),
    })
    .optional(),
  limits: z
    .strictObject({
      requestsPerMinute: z.number().positive().optional(),
      tokensPerMinute: z.number().positive().optional(),
      requests: rate.optional(),
      maxConcurrency: z.int().min(1).optional(),
      patienceMs: amount.optional(),
    })
    .optional(),
  cache: z.enum(['off', 'deterministic', 'always']).optional(),
  /** The content of a price file. */
  prices: z.json().optional(),
  /** A judge's measured errors, as `Correction`. */
  correction: z.json().optional(),
  /** Short names for model addresses. */
  aliases: z.record(z.string(), z.string()).optional(),
});
export type SharedOptions = z.output<typeof sharedOptions>;

export const runJob = z.strictObject({ run: z.string(), options: sharedOptions });
export type RunJob = z.output<typeof runJob>;

export const trialsJob = z.strictObject({
  /** The run that was submitted: its worker holds the world. */
  root: z.string(),
  /** The run that the set is in: the root, or a child of it. */
  run: z.string(),
  set: z.string(),
  items: z.array(z.string()),
  options: sharedOptions,
});
export type TrialsJob = z.output<typeof trialsJob>;

/** The options as the runner takes them. */
export function runOptionsOf(
  options: SharedOptions,
): Partial<RunOptions> & { readonly aliases?: Record<string, string> } {
  const { prices, ...rest } = options;
  const book: PriceBook | undefined = prices === undefined ? undefined : priceBook(prices);
  return dropUndefined({ ...rest, prices: book });
}

function dropUndefined(record: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(record).flatMap(([name, value]) => {
      if (value === undefined) return [];
      const isPlain = typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
      const holdsFunctions = isPlain && Object.values(value).some((each) => typeof each === 'function');
      return [[name, isPlain && !holdsFunctions ? dropUndefined(value as Record<string, unknown>) : value]];
    }),
  );
}

export const runsQueue = 'fiducial runs';
/** Runs that one worker leads at once. Leading is waiting, apart from steps and training loops. */
export const runsAtOnce = 4;

/** One queue for all runs on the same models, so that a slow provider keeps nobody else's trials waiting. */
export function trialsQueueOf(spec: RunSpec): string {
  const ids = [...new Set(Object.values(spec.models).flat().map(String))].sort();
  const whole = `fiducial trials ${ids.length === 0 ? 'without a model' : ids.join(' + ')}`;
  return whole.length <= 120 ? whole : `${whole.slice(0, 100)} ${shortHash(whole)}`;
}

/** Trials a unit: enough units for many workers to share evenly, few enough to name cheaply. */
export function unitSizeOf(trials: number): number {
  return Math.min(8, Math.max(1, Math.floor(trials / 100)));
}

/** Units that one worker claims at once: as many as it works on, and half as many again so that none waits for a poll. */
export function unitsAtOnce(concurrency: number, size: number): number {
  return Math.max(2, Math.ceil((1.5 * concurrency) / size));
}

/** The ids of a set's units begin so. */
export function unitPrefix(run: string, set: string): string {
  return `trials/${run}/${shortHash(set)}/`;
}

export function unitId(run: string, set: string, index: number, attempt: number): string {
  return `${unitPrefix(run, set)}${index}/${attempt}`;
}

/** Place and attempt of a unit's id. */
export function readUnitId(id: string): { readonly index: number; readonly attempt: number } {
  const [index, attempt] = id.split('/').slice(-2).map(Number);
  return { index: index!, attempt: attempt! };
}

export function runJobId(run: string, attempt: number): string {
  return `${runJobPrefix(run)}${attempt}`;
}

export function runJobPrefix(run: string): string {
  return `run/${run}/`;
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}
