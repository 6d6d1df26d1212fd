/** Rules that a caller gave for its own functions, named by a number so that graph attributes stay plain data. */
import type { Tensor } from '../graph.ts';

/** From the cotangents of the results to those of the arguments; undefined stands for zero. */
export type CustomRule = (
  args: readonly Tensor[],
  results: readonly Tensor[],
  cotangents: readonly (Tensor | undefined)[],
) => readonly (Tensor | undefined)[];

const rules: CustomRule[] = [];

export function keepRule(rule: CustomRule): number {
  return rules.push(rule) - 1;
}

export function customRule(key: number): CustomRule {
  return rules[key]!;
}
