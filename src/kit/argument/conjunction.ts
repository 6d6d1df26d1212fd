/** What is known of a claim that rests on several others, each with its own confidence. */

/**
 * Bounds of the probability that a top claim and all that it rests on are true, whatever the dependence between its
 * parts (Fréchet): at least 1 - sum(1 - p), at most the smallest p. The value is their product, which would be it if
 * they were independent.
 *
 * @example conjunction([0.9, 0.9, 0.95]) // { low: 0.75, value: 0.7695, high: 0.9 }
 */
export function conjunction(parts: readonly number[]): { low: number; value: number; high: number } {
  return {
    low: Math.max(0, 1 - parts.reduce((sum, p) => sum + (1 - p), 0)),
    value: parts.reduce((product, p) => product * p, 1),
    high: parts.reduce((least, p) => Math.min(least, p), 1),
  };
}
