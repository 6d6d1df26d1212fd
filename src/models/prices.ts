/**
 * A user's price file: what a model's tokens cost.
 *
 * No price is shipped: vendors change them, and a remembered price is a wrong figure with a currency sign. A model that
 * the file does not name has no price, and a run with a money budget stops before its first call to it.
 */
import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { z } from 'zod';
import { FiducialError, nearestWord } from '../core/errors.ts';
import type { Usage } from './model.ts';

/** Prices in the file's currency. */
export interface Price {
  readonly inputPerMillion: number;
  readonly outputPerMillion: number;
  /** Input read from the provider's prompt cache. @default inputPerMillion */
  readonly cachedInputPerMillion?: number | undefined;
  /** @default 0 */
  readonly perCall?: number | undefined;
}

export interface PriceBook {
  readonly currency: string;
  /** The price of this model: its exact name first, then the longest pattern (`*` stands for anything). */
  priceOf(modelId: string): Price | undefined;
  /** What a call cost, or undefined where the price is unknown. */
  cost(modelId: string, usage: Usage): number | undefined;
}

const amount = z.number().min(0);
const priceFile = z.strictObject({
  currency: z.string().min(1).default('USD'),
  models: z.record(
    z.string(),
    z.strictObject({
      inputPerMillion: amount,
      outputPerMillion: amount,
      cachedInputPerMillion: amount.optional(),
      perCall: amount.optional(),
    }),
  ),
});

/**
 * Reads a price file, YAML or JSON.
 *
 * ```yaml
 * currency: USD
 * models:
 *   openai:some-model: { inputPerMillion: 1.5, outputPerMillion: 6 }
 *   'openai-compatible:http://localhost:*': { inputPerMillion: 0, outputPerMillion: 0 }
 * ```
 * @throws FiducialError `prices.unreadable`, `prices.invalid`
 */
export async function readPrices(path: string): Promise<PriceBook> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new FiducialError('prices.unreadable', `The price file ${path} cannot be read`, 'Check its path.', { cause });
  }
  let data: unknown;
  try {
    data = parse(text);
  } catch (cause) {
    throw new FiducialError(
      'prices.invalid',
      `The price file ${path} is neither YAML nor JSON: ${cause instanceof Error ? cause.message : String(cause)}`,
      'Mend the line that the message names.',
      { cause },
    );
  }
  return priceBook(data, path);
}

/**
 * A price book from parsed data.
 *
 * @param data `{ currency?, models: { [model id or pattern]: Price } }`
 * @throws FiducialError `prices.invalid`
 */
export function priceBook(data: unknown, origin = 'prices'): PriceBook {
  const parsed = priceFile.safeParse(data);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const where = issue?.path.join('.') ?? '';
    const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
    const meant = unknown === undefined ? undefined : nearestWord(unknown, priceWords);
    throw new FiducialError(
      'prices.invalid',
      `${origin}: ${where === '' ? '' : `${where}: `}${issue?.message ?? 'not a price file'}`,
      meant === undefined
        ? 'A model’s price is { inputPerMillion, outputPerMillion, cachedInputPerMillion?, perCall? }.'
        : `Did you mean ${meant}?`,
    );
  }
  const { currency, models } = parsed.data;
  const patterns = Object.entries(models)
    .filter(([name]) => name.includes('*'))
    .sort(([a], [b]) => b.length - a.length)
    .map(([name, price]) => ({ pattern: globPattern(name), price }));
  const priceOf = (modelId: string): Price | undefined =>
    Object.hasOwn(models, modelId)
      ? models[modelId]
      : patterns.find((candidate) => candidate.pattern.test(modelId))?.price;
  return {
    currency,
    priceOf,
    cost(modelId, usage) {
      const price = priceOf(modelId);
      return price === undefined ? undefined : costAt(price, usage);
    },
  };
}

/** What `usage` costs at `price`. */
export function costAt(price: Price, usage: Usage): number {
  const cached = Math.min(usage.cachedInputTokens ?? 0, usage.inputTokens);
  return (
    ((usage.inputTokens - cached) * price.inputPerMillion +
      cached * (price.cachedInputPerMillion ?? price.inputPerMillion) +
      usage.outputTokens * price.outputPerMillion) /
      1e6 +
    (price.perCall ?? 0)
  );
}

function globPattern(glob: string): RegExp {
  const literal = glob.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${literal.join('.*')}$`);
}

const priceWords = [
  'currency',
  'models',
  'inputPerMillion',
  'outputPerMillion',
  'cachedInputPerMillion',
  'perCall',
] as const;
