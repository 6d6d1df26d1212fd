/**
 * pass@k: the probability that at least one of k attempts succeeds, estimated without bias from n >= k attempts.
 * Source: Chen et al., "Evaluating large language models trained on code" (2021). The attack success of best-of-k is
 * the same figure.
 */
import { badInput, requireCount, requireTally } from './checks.ts';

/**
 * 1 - C(n - successes, k) / C(n, k), as a product that cannot overflow.
 *
 * @example passAtK(3, 10, 5) // 0.916666...
 */
export function passAtK(successes: number, n: number, k: number): number {
  requireTally(successes, n);
  requireCount('k', k, 1);
  if (k > n)
    badInput('k', k, `it must not exceed the ${n} attempts made`, 'Make more attempts, or ask for a smaller k.');
  let allFail = 1;
  for (let i = 0; i < k; i++) allFail *= Math.max(0, n - successes - i) / (n - i);
  return 1 - allFail;
}

/** The mean of {@link passAtK} over items, each with its own successes and attempts. */
export function meanPassAtK(items: readonly { readonly successes: number; readonly n: number }[], k: number): number {
  requireCount('the number of items', items.length, 1);
  return items.reduce((sum, { successes, n }) => sum + passAtK(successes, n, k), 0) / items.length;
}
