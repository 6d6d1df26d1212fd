/**
 * The shape of every figure with an interval, and the options that intervals share. Plain data: it goes into events,
 * reports and screens as it is.
 */
import { requireInside } from './checks.ts';

/** A figure and the interval around it. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

export interface IntervalOptions {
  /** Coverage that the interval aims at, strictly between 0 and 1; 0.95 unless told. */
  readonly confidence?: number;
}

export const DEFAULT_CONFIDENCE = 0.95;

/** The confidence of `options`, checked. */
export function confidenceOf(options: IntervalOptions | undefined): number {
  const confidence = options?.confidence ?? DEFAULT_CONFIDENCE;
  requireInside('confidence', confidence);
  return confidence;
}

/** A p-value with what it was computed from. */
export interface TestResult {
  /** Two-sided probability, under the null hypothesis, of a result at least as extreme. */
  readonly p: number;
  readonly statistic: number;
  readonly n: number;
}

/** What values look like in which an alternative is chosen. */
export type Alternative = 'two-sided' | 'less' | 'greater';
