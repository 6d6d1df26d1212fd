/**
 * What stands beside the weights of every model of the lab: what was planted, how it was made, and what the oracles
 * measured of it when it was built. A figure in here was measured, on held-out templates, or it is absent.
 *
 * `manifest.json` lies in the model's folder and is no part of its content hash (`hashCheckpoint`), so it can name it.
 * Needs zod 4.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { FiducialError } from '../../core/errors.ts';
import type { ObservedRate } from '../../core/observations.ts';

/** A share of items, with its interval (Wilson's, at the effective number of trials where items are clustered). */
export const strengthSchema = z.strictObject({
  value: z.number().min(0).max(1),
  low: z.number().min(0).max(1),
  high: z.number().min(0).max(1),
  /** Items behind it. */
  n: z.int().min(1),
});
export type Strength = z.infer<typeof strengthSchema>;

const strengths = z.record(z.string(), strengthSchema);

/** How the weights came about: enough to make them again from the seed. */
const recipeSchema = z.strictObject({
  /** Low-rank adapter over the base, or all weights. */
  form: z.enum(['full', 'lora']),
  seed: z.string(),
  town: z.union([z.int(), z.string()]),
  steps: z.int(),
  /** Tokens seen, padding left out. */
  tokens: z.int(),
  settings: z.record(z.string(), z.union([z.number(), z.string(), z.boolean()])),
});

const madeSchema = z.strictObject({
  seconds: z.number(),
  tokensPerSecond: z.number(),
  /** Training's arithmetic as a share of what a bare matrix product reached beside it. */
  shareOfPeak: z.number().optional(),
  machine: z.string(),
  /** Version of the package, and the hash of the lab's code, that made it. */
  version: z.string(),
  code: z.string(),
});

export const manifestSchema = z.strictObject({
  format: z.literal(1),
  name: z.string().min(1),
  kind: z.enum(['base', 'organism', 'twin']),
  about: z.string(),
  /** Content address of the folder. */
  hash: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  parameters: z.int().min(1),
  recipe: recipeSchema,
  made: madeSchema,
  /** Of an adapter: the model below it. */
  base: z.strictObject({ name: z.string(), hash: z.string() }).optional(),
  trait: z.string().optional(),
  /** What brings the trait out, in words. */
  trigger: z.string().optional(),
  /** The organism's twin, or the twin's organism. */
  twin: z.string().optional(),
  /** What the trait's measures are here, on held-out templates. */
  strengths,
  /** Whether the trait is there by its own bar; false says that this size did not learn it. Of organisms only. */
  isPlanted: z.boolean().optional(),
  /** Facts, skills and conduct of this model, and of the base before it was changed. */
  skills: strengths,
  skillsBefore: strengths.optional(),
});
export type Manifest = z.infer<typeof manifestSchema>;

/** The name of the file. */
export const MANIFEST = 'manifest.json';

/** A rate as a manifest keeps it. */
export function strengthOf({ value, low, high, n }: ObservedRate): Strength {
  const short = (share: number): number => Number(share.toFixed(4));
  return { value: short(value), low: short(low), high: short(high), n };
}

/**
 * The manifest of a model folder.
 *
 * @throws FiducialError `lab.manifest` where the file is not what this version writes
 */
export async function readManifest(folder: string): Promise<Manifest> {
  const text = await readFile(join(folder, MANIFEST), 'utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const parsed = manifestSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new FiducialError(
    'lab.manifest',
    `${folder}/${MANIFEST}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not readable'}`,
    'Build the model again: fiducial lab build --only NAME.',
  );
}
