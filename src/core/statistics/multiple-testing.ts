/**
 * Corrections for several tests: Holm (1979), who keeps the chance of any false alarm, and Benjamini and Hochberg
 * (1995), who keep the expected share of false alarms among what is called found. Both return adjusted p-values in
 * the order given: compare them with the level as they are.
 */
import { requireProbability } from './checks.ts';

/**
 * @example holm([0.01, 0.04, 0.03]) // [0.03, 0.06, 0.06]
 */
export function holm(p: readonly number[]): number[] {
  return adjust(p, (value, place, n) => value * (n - place), 'rising');
}

/**
 * @example benjaminiHochberg([0.01, 0.04, 0.03]) // [0.03, 0.04, 0.04]
 */
export function benjaminiHochberg(p: readonly number[]): number[] {
  return adjust(p, (value, place, n) => (value * n) / (place + 1), 'falling');
}

/** Adjusts in ascending order and makes the result monotone, by maxima from below or minima from above. */
function adjust(
  p: readonly number[],
  factor: (value: number, place: number, n: number) => number,
  direction: 'rising' | 'falling',
): number[] {
  p.forEach((value, i) => requireProbability(`p[${i}]`, value));
  const order = p.map((_, i) => i).sort((a, b) => p[a]! - p[b]!);
  const places = direction === 'rising' ? order.map((_, i) => i) : order.map((_, i) => order.length - 1 - i);
  const adjusted = p.map(() => 0);
  let last = direction === 'rising' ? 0 : 1;
  for (const place of places) {
    const i = order[place]!;
    const value = Math.min(1, factor(p[i]!, place, p.length));
    last = direction === 'rising' ? Math.max(last, value) : Math.min(last, value);
    adjusted[i] = last;
  }
  return adjusted;
}
