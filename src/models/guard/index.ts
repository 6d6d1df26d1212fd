/** Guards: what they are, how they stand around a model, and the plainest one. */
export {
  type AskStep,
  type EventStep,
  type Guard,
  type Guarded,
  type GuardVerdict,
  type Rung,
  rungOf,
  type Watch,
} from './guard.ts';
export { cutText, guarded, type GuardedOptions, guardHash } from './guarded.ts';
export { keywordGuard, type KeywordOptions } from './keyword.ts';
export { type Channel, type GateReader, type GateStep, type TextGate, textGate } from './text-gate.ts';
