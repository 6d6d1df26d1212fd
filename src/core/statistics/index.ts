/** The statistics by name; each is documented in the file it comes from. */
export { bcaInterval, bootstrap, percentileInterval, quantile } from './bootstrap.ts';
export type { BootstrapEstimate, BootstrapOptions } from './bootstrap.ts';
export { clusteredMean, clusteredRate } from './clustered.ts';
export type { ClusteredMean, ClusteredRate } from './clustered.ts';
export {
  betaDraw,
  binomialCdf,
  binomialProbability,
  gammaDraw,
  logChoose,
  normalCdf,
  normalCritical,
  normalDensity,
  normalQuantile,
  studentCritical,
  twoSidedNormal,
  twoSidedStudent,
} from './distributions.ts';
export type { Estimate, IntervalOptions, TestResult } from './estimate.ts';
export { correctForJudge, roganGladen } from './judge-error.ts';
export type { Confusion, CorrectedRate, CorrectionOptions } from './judge-error.ts';
export { clopperPearson, wilson } from './proportion.ts';
export type { Proportion } from './proportion.ts';
export { incompleteBeta, inverseIncompleteBeta, logGamma } from './special.ts';
