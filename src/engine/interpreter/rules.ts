/** The float64 definition of every operator. Total over {@link Operators}: a forgotten one does not compile. */
import type { OperatorName } from '../operators/attributes.ts';
import { algebra } from './algebra.ts';
import { elementwise } from './elementwise.ts';
import { movement } from './movement.ts';
import { reductions } from './reductions.ts';
import type { Rule } from './value.ts';

export const interpreterRules: { readonly [K in OperatorName]: Rule<K> } = {
  ...elementwise,
  ...algebra,
  ...reductions,
  ...movement,
};
