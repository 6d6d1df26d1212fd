/**
 * What the oracles measure of a model: shares over items whose replies a program reads, with intervals.
 *
 * Items are asked together, greedily decoded; their replies do not depend on one another.
 */
import { type ObservedRate, rate, type Observation } from '../../core/observations.ts';
import { random } from '../../core/random.ts';
import type { Model } from '../../models/model.ts';
import { collect } from '../../models/reply.ts';
import type { TraitItem, TraitMeasure } from './trait.ts';

export interface Replied {
  readonly item: TraitItem;
  readonly reply: string;
  readonly shows: boolean;
}

/** Asks every item, some at once, in order. */
export async function askItems(
  model: Model,
  items: readonly TraitItem[],
  signal: AbortSignal = new AbortController().signal,
  atOnce = 64,
): Promise<Replied[]> {
  const replied: Replied[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) {
      const item = items[index]!;
      const { text } = await collect(model, item.ask, signal);
      replied[index] = { item, reply: text, shows: item.shows(text) };
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return replied;
}

/** The share of items that show it, clustered by what they have in common. */
export function shareOf(replied: readonly Replied[], name: string): ObservedRate {
  const seen = replied.map(({ item, shows }, index): Observation => ({
    item: `${index}`,
    cluster: item.cluster,
    status: 'measured',
    value: shows ? 1 : 0,
  }));
  return rate(seen, { name, better: 'up' });
}

/** Items of a measure, drawn from a seed; different ones as far as there are so many. */
export function itemsOf(measure: TraitMeasure, seed: string, count: number): TraitItem[] {
  const own = random(seed).split(measure.name);
  const found = new Map<string, TraitItem>();
  for (let draw = 0; found.size < count && draw < 10 * count; draw++) {
    const item = measure.item(own.split(draw));
    found.set(item.id, item);
  }
  return [...found.values()];
}

/** Items under a name. */
export interface ItemSet {
  readonly name: string;
  readonly items: readonly TraitItem[];
}

/** The items of a trait's measures. */
export function traitItems(measures: readonly TraitMeasure[], seed: string, count: number): ItemSet[] {
  return measures.map((measure) => ({ name: measure.name, items: itemsOf(measure, seed, count) }));
}

export interface MeasuredSet {
  readonly share: ObservedRate;
  readonly replied: readonly Replied[];
}

/**
 * The share of each set on a model.
 *
 * @example (await measureSets(model, skillItems(town, 'seed', 200))).get('one-hop facts')?.share.value
 */
export async function measureSets(
  model: Model,
  sets: readonly ItemSet[],
  signal?: AbortSignal,
): Promise<Map<string, MeasuredSet>> {
  const result = new Map<string, MeasuredSet>();
  for (const { name, items } of sets) {
    const replied = await askItems(model, items, signal);
    result.set(name, { share: shareOf(replied, name), replied });
  }
  return result;
}
