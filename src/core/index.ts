/** The public names of the bottom layer: values, errors, randomness, observations, measures, figures, statistics. */
export { FiducialError, isFiducialError, nearestWord, show } from './errors.ts';
export type { ErrorCode } from './errors.ts';
export { checkedFigure } from './figures.ts';
export type { Axis, Figure, Matrix, Plot, Point, Series, Table } from './figures.ts';
export { describeMeasure } from './measures.ts';
export type { Evidence, Finding, Measure, Outcome, Severity } from './measures.ts';
export { mean, pair, rate, tally } from './observations.ts';
export type {
  JudgeCorrection,
  MeanOptions,
  Measured,
  MeasureOptions,
  Observation,
  ObservedMeasure,
  ObservedRate,
  RateOptions,
  Tally,
  Unmeasured,
} from './observations.ts';
export { random, randomAt } from './random.ts';
export type { Random } from './random.ts';
export {
  bcaInterval,
  betaDraw,
  binomialCdf,
  binomialProbability,
  bootstrap,
  clopperPearson,
  clusteredMean,
  clusteredRate,
  correctForJudge,
  gammaDraw,
  incompleteBeta,
  inverseIncompleteBeta,
  logChoose,
  logGamma,
  normalCdf,
  normalCritical,
  normalDensity,
  normalQuantile,
  percentileInterval,
  quantile,
  roganGladen,
  studentCritical,
  twoSidedNormal,
  twoSidedStudent,
  wilson,
} from './statistics/index.ts';
export type {
  BootstrapEstimate,
  BootstrapOptions,
  ClusteredMean,
  ClusteredRate,
  Confusion,
  CorrectedRate,
  CorrectionOptions,
  Estimate,
  IntervalOptions,
  Proportion,
  TestResult,
} from './statistics/index.ts';
export type { Json, Ref, Source, TypedArray } from './values.ts';
