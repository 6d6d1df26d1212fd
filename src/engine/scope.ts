/**
 * Scopes: arrays that compiled functions return inside one are freed when it ends, so that nobody disposes by hand.
 * On a device this gives memory back at once; on the CPU it lets go of it and catches uses that came too late.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { Tensor } from './graph.ts';
import { treeLeaves } from './tree.ts';

const scopes = new AsyncLocalStorage<Set<Tensor>>();

/**
 * Runs `body` and frees every array that a compiled function returned meanwhile, except those in what `body` returns
 * or gives to `keep`. Scopes nest; what an inner one keeps belongs to the outer one.
 *
 * @example
 * const loss = await scoped(async () => {
 *   const { loss, gradient } = await step(weights, batch);
 *   return loss; // gradient is freed
 * });
 */
export async function scoped<T>(body: (keep: <K>(tree: K) => K) => Promise<T>): Promise<T> {
  const outer = scopes.getStore();
  const made = new Set<Tensor>();
  const kept = new Set<Tensor>();
  const keep = <K>(tree: K): K => {
    for (const leaf of treeLeaves(tree)) kept.add(leaf);
    return tree;
  };
  try {
    return keep(await scopes.run(made, () => body(keep)));
  } finally {
    for (const array of made) {
      if (kept.has(array)) outer?.add(array);
      else if (array.storage?.isGone === false) array.storage.release('its scope has ended');
    }
  }
}

/** Notes arrays as belonging to the present scope, if there is one. */
export function belongToScope(arrays: readonly Tensor[]): void {
  const made = scopes.getStore();
  if (made !== undefined) for (const array of arrays) made.add(array);
}
