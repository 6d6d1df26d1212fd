/**
 * Several runs against the first of them: each measure's paired difference, and the same by category, where items have
 * one. p-values over the categories of a measure are Holm's.
 */
import type { Observation } from '../../core/observations.ts';
import { holm } from '../../core/statistics/multiple-testing.ts';
import type { Run } from '../../store/index.ts';
import { compareRuns, type Comparison, type Difference, differenceOf } from '../../workbench/compare.ts';
import { observationsOf, readOutcome } from '../../workbench/figures.ts';

export interface CategoryDifference extends Difference {
  readonly category: string;
}
export interface ManyComparison {
  readonly first: string;
  readonly against: readonly (Comparison & { readonly categories: readonly CategoryDifference[] })[];
}

const mostCategories = 40;

/** @throws FiducialError those of `compareRuns` */
export async function compareMany(runs: readonly Run[], layer?: string): Promise<ManyComparison> {
  const [first, ...others] = runs as [Run, ...Run[]];
  const options = layer === undefined ? {} : { layer };
  const against = [];
  for (const other of others) {
    const comparison = await compareRuns(first, other, options);
    const categories: CategoryDifference[] = [];
    for (const { name } of comparison.differences) categories.push(...(await byCategory(first, other, name, layer)));
    against.push({ ...comparison, categories });
  }
  return { first: first.id, against };
}

async function byCategory(
  first: Run,
  second: Run,
  name: string,
  layer: string | undefined,
): Promise<CategoryDifference[]> {
  const [one, two] = await Promise.all([derivationOf(first, name), derivationOf(second, name)]);
  if (one === undefined || two === undefined) return [];
  const [left, right] = [
    groups(await observationsOf(first, one.set, layer)),
    groups(await observationsOf(second, two.set, layer)),
  ];
  const shared = [...left.keys()].filter((category) => right.has(category));
  if (shared.length < 2 || shared.length > mostCategories) return [];
  const found = shared.flatMap((category) => {
    const [a, b] = [left.get(category)!, right.get(category)!];
    const isMeasured = [a, b].every((side) => side.some(({ status }) => status === 'measured'));
    // Inside a category its items stand each for themselves.
    return isMeasured ? [{ category, ...differenceOf(one, a.map(alone), b.map(alone)) }] : [];
  });
  const adjusted = holm(found.map(({ p }) => p));
  return found.map((each, index) => ({ ...each, adjustedP: adjusted[index]! }));
}

async function derivationOf(run: Run, name: string) {
  return (await readOutcome(run))?.derived.find(({ options }) => options.name === name);
}

function groups(observations: readonly Observation[]): Map<string, Observation[]> {
  const found = new Map<string, Observation[]>();
  for (const each of observations) {
    if (each.cluster === undefined) continue;
    const group = found.get(each.cluster);
    if (group === undefined) found.set(each.cluster, [each]);
    else group.push(each);
  }
  return found;
}

function alone(observation: Observation): Observation {
  const { cluster: _, ...rest } = observation;
  return rest;
}
