/** Text from open models: generation for many callers at once, sampling, scoring, quantised weights. */
export { longestText, type Forwardable } from './forwardable.ts';
export { collect, Generator, type GeneratorOptions } from './generator.ts';
export { packWeight, quantise, type Packed, type Quantised, type QuantiseOptions } from './quantise.ts';
export type { GeneratedToken, GenerationEnd, TokenEvent } from './reply.ts';
export type { GenerateRequest } from './request.ts';
export {
  Sampler,
  topTokens,
  type LogitProcessor,
  type ProcessorContext,
  type SamplingOptions,
  type TokenChoice,
} from './sampler.ts';
export {
  scoreCompletion,
  scoreCompletions,
  type PromptAndCompletion,
  type ScoredToken,
  type ScoreOptions,
} from './score.ts';
export { StopScanner, type Scanned } from './stop.ts';
