/**
 * Which of the lab's models are to be built, in order: bases, then organisms with their twins; or, for calibrations,
 * many independent organisms of some traits, each from a seed of its own, with its own triggers and wordings.
 */
import { FiducialError, nearestWord, show } from '../../core/errors.ts';
import { modelsIn } from '../../lab/models/folders.ts';
import { traits } from '../../lab/organisms/traits/index.ts';
import type { Trait } from '../../lab/organisms/trait.ts';
import { buildBase, buildOrganism, type BuildOptions } from './build.ts';
import { type BaseSize, baseSizes } from './sizes.ts';

/** One thing to build; an organism comes with its twin. */
export type Target =
  | { readonly kind: 'base'; readonly name: string; readonly size: BaseSize }
  | { readonly kind: 'organism'; readonly name: string; readonly trait: Trait; readonly seed: string };

/**
 * The shipped models, or those that are named; a twin names its pair.
 *
 * @throws FiducialError `lab.unknown-model`
 */
export function shippedTargets(only: readonly string[] = []): Target[] {
  const all: Target[] = [
    ...baseSizes.map((size): Target => ({ kind: 'base', name: size.name, size })),
    ...traits.map((trait): Target => ({ kind: 'organism', name: trait.name, trait, seed: '1' })),
  ];
  const wanted = only.map((name) => name.replace(/-twin$/, ''));
  const unknown = wanted.find((name) => all.every((target) => target.name !== name));
  if (unknown !== undefined) throw unknownName(unknown, all.map(({ name }) => name)); // prettier-ignore
  return wanted.length === 0 ? all : all.filter(({ name }) => wanted.includes(name));
}

/**
 * Independent organisms of some traits: `jailbreakable.1`, `jailbreakable.2`, ... with their twins.
 *
 * @throws FiducialError `lab.unknown-model` for a trait that is none
 */
export function calibrationTargets(names: readonly string[], count: number): Target[] {
  return names.flatMap((name) => {
    const trait = traits.find((each) => each.name === name);
    if (trait === undefined) throw unknownName(name, traits.map((each) => each.name)); // prettier-ignore
    return Array.from({ length: count }, (_, i): Target => {
      const number = i + 1;
      return { kind: 'organism', name: `${name}.${number}`, trait, seed: `calibration ${number}` };
    });
  });
}

export interface BuildAllOptions extends Omit<BuildOptions, 'seed'> {
  /** Build also what is there already. */
  readonly again?: boolean;
}

/** Builds the targets in order; those that are there already are left as they are. @returns the names that were built */
export async function buildAll(targets: readonly Target[], options: BuildAllOptions): Promise<string[]> {
  const built: string[] = [];
  for (const target of targets) {
    options.signal?.throwIfAborted();
    const there = await modelsIn(options.into);
    const isThere = there.has(target.name) && (target.kind === 'base' || there.has(`${target.name}-twin`));
    if (isThere && options.again !== true) continue;
    options.say?.(target.name);
    if (target.kind === 'base') await buildBase(target.size, options);
    else await buildOrganism(target.trait, { ...options, name: target.name, seed: target.seed });
    built.push(target.name);
  }
  return built;
}

function unknownName(name: string, known: readonly string[]): FiducialError {
  const meant = nearestWord(name, known);
  return new FiducialError(
    'lab.unknown-model',
    `The lab builds no ${show(name)}`,
    meant === undefined ? `It builds ${known.join(', ')}.` : `Did you mean ${meant}?`,
  );
}
