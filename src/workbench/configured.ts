/**
 * The options of a run as the configuration has them. A command line or a server lays its own words over the
 * configuration first, so that one place decides what a setting means.
 */
import { readPrices } from '../models/prices.ts';
import type { Redactor } from '../models/redact.ts';
import type { Store } from '../store/index.ts';
import type { Config } from './config.ts';
import type { OpenOptions } from './open-models.ts';
import type { RunOptions } from './run.ts';

/**
 * @throws FiducialError those of `readPrices`
 * @example const options = await configuredOptions({ ...config, concurrency: 4 }, store, redactor);
 */
export async function configuredOptions(
  config: Config,
  store: Store,
  redactor: Redactor,
): Promise<RunOptions & OpenOptions> {
  return {
    store,
    redactor,
    seed: config.seed,
    concurrency: config.concurrency,
    maxErrorShare: config.maxErrorShare,
    budget: defined(config.budget),
    limits: defined(config.limits),
    cache: config.cache,
    aliases: config.models,
    ...(config.prices === undefined ? {} : { prices: await readPrices(config.prices) }),
  };
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };
/** An object without its undefined members. */
export function defined<T extends object>(object: T): Defined<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Defined<T>;
}
