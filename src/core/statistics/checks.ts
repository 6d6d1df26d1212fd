/**
 * What the statistics accept: each check throws a FiducialError that names the argument and the offending value, so
 * that no figure is made from a count above its total, a NaN or an empty sample.
 */
import { FiducialError, show } from '../errors.ts';

/** Throws `statistics.bad-input` with what is wrong about `name`. */
export function badInput(name: string, value: unknown, wanted: string, hint: string): never {
  throw new FiducialError('statistics.bad-input', `${name} is ${show(value)}; ${wanted}`, hint);
}

/** Requires a whole number of at least `least`. */
export function requireCount(name: string, value: number, least = 0): void {
  if (!Number.isSafeInteger(value) || value < least) {
    badInput(name, value, `it must be a whole number of at least ${least}`, `Pass the count as ${name}.`);
  }
}

/** Requires `successes` of `n` trials with n >= 1. */
export function requireTally(
  successes: number,
  n: number,
  names: readonly [string, string] = ['successes', 'n'],
): void {
  requireCount(names[1], n, 1);
  requireCount(names[0], successes);
  if (successes > n) {
    badInput(names[0], successes, `it must not exceed ${names[1]} = ${n}`, 'Check which count is which.');
  }
}

/** Requires a number strictly between 0 and 1. */
export function requireInside(name: string, value: number): void {
  if (!(value > 0 && value < 1)) badInput(name, value, 'it must lie strictly between 0 and 1', 'For 95 % pass 0.95.');
}

/** Requires a number from 0 to 1. */
export function requireProbability(name: string, value: number): void {
  if (!(value >= 0 && value <= 1))
    badInput(name, value, 'it must lie from 0 to 1', 'Pass a probability, not a percentage.');
}

export function requireFinite(name: string, value: number): void {
  if (!Number.isFinite(value))
    badInput(name, value, 'it must be a finite number', 'Leave unmeasured values out and count them apart.');
}

export function requirePositive(name: string, value: number): void {
  if (!(value > 0 && Number.isFinite(value)))
    badInput(name, value, 'it must be finite and above 0', `Pass a positive ${name}.`);
}

/** Requires at least `least` finite numbers. */
export function requireSample(name: string, values: ArrayLike<number>, least = 1): void {
  if (values.length < least) {
    badInput(
      `the length of ${name}`,
      values.length,
      `at least ${least} values are needed`,
      'Measure more items first.',
    );
  }
  for (let i = 0; i < values.length; i++) requireFinite(`${name}[${i}]`, values[i]!);
}

/** Requires two lists of one length. */
export function requireSameLength(
  names: readonly [string, string],
  a: ArrayLike<unknown>,
  b: ArrayLike<unknown>,
): void {
  if (a.length !== b.length) {
    badInput(
      `the length of ${names[1]}`,
      b.length,
      `it must equal that of ${names[0]}, ${a.length}`,
      'Pair the lists item by item.',
    );
  }
}
