/** The statistics by name; each is documented in the file it comes from. */
export {
  cohensKappa,
  cohensKappaInterval,
  fleissKappa,
  krippendorffsAlpha,
  krippendorffsAlphaInterval,
} from './agreement.ts';
export type { Category, MeasurementLevel } from './agreement.ts';
export { bcaInterval, bootstrap, percentileInterval, quantile } from './bootstrap.ts';
export type { BootstrapEstimate, BootstrapOptions } from './bootstrap.ts';
export { clusteredMean, clusteredRate } from './clustered.ts';
export type { ClusteredMean, ClusteredRate } from './clustered.ts';
export { kendall, spearman } from './correlation.ts';
export type { Correlation } from './correlation.ts';
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
export type { Alternative, Estimate, IntervalOptions, TestResult } from './estimate.ts';
export { isotonic } from './isotonic.ts';
export { correctForJudge, roganGladen } from './judge-error.ts';
export type { Confusion, CorrectedRate, CorrectionOptions } from './judge-error.ts';
export { benjaminiHochberg, holm } from './multiple-testing.ts';
export { mcnemar, pairedTable, signFlipTest, wilcoxonSignedRank } from './paired-tests.ts';
export type { PairedTable } from './paired-tests.ts';
export { meanPassAtK, passAtK } from './pass-at-k.ts';
export {
  powerOfOneProportion,
  powerOfPaired,
  powerOfTwoProportions,
  sizeForNone,
  sizeForOneProportion,
  sizeForPaired,
  sizeForPrecision,
  sizeForTwoProportions,
} from './planning.ts';
export type { PlanOptions } from './planning.ts';
export { brierScore, expectedCalibrationError, logScore, reliabilityCurve } from './probability-scores.ts';
export type { BinOptions, ReliabilityBin } from './probability-scores.ts';
export { clopperPearson, wilson } from './proportion.ts';
export type { Proportion } from './proportion.ts';
export { rank } from './ranks.ts';
export type { Ranks } from './ranks.ts';
export { bradleyTerry, updateElo } from './ratings.ts';
export type { Comparison, Rating, RatingOptions } from './ratings.ts';
export { auroc, compareAuroc, partialAuroc, rocCurve, truePositiveRateAt } from './roc.ts';
export type { OperatingPoint, RocArea, RocPoint } from './roc.ts';
export { bettingTest, confidenceSequence } from './sequential.ts';
export type { SequenceStep, SequentialTest } from './sequential.ts';
export { incompleteBeta, inverseIncompleteBeta, logGamma } from './special.ts';
export { differenceOfPaired, differenceOfProportions, fisherExact } from './two-proportions.ts';
export type { Successes } from './two-proportions.ts';
