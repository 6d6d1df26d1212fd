/** The workbench's public names: run methods over a store, take figures again, compare, plan, hold to bars, calibrate. */
export { describeSending, requireAuthorisation } from './authorise.ts';
export type { Sending } from './authorise.ts';
export { exitCodeOf, judgeBar, parseBar, readBars, stateBars } from './bars.ts';
export type { Bar, BarResult, BarVerdict } from './bars.ts';
export { calibrate, organismsHash } from './calibrate.ts';
export type { Calibrated, CalibrateOptions } from './calibrate.ts';
export { compareRuns, describeDifference, differenceOf, isWorse } from './compare.ts';
export type { CompareOptions, Comparison, Difference } from './compare.ts';
export { checkConfig, configJsonSchema, configNames, configSchema, defineConfig, readConfig } from './config.ts';
export type { Config, ConfigInput } from './config.ts';
export { configuredOptions } from './configured.ts';
export { readCorrection } from './correction.ts';
export { derive, observationsOf, readOutcome, takeAgain } from './figures.ts';
export type { Correction, Derivation, FigureOptions, StoredOutcome } from './figures.ts';
export { codeHash, datasetHash, setFingerprint, specOf } from './identity.ts';
export { loop, loopParams, loopSettings, planLines, planLoop, prepareLoop, townMaterial } from './loop/index.ts';
export type { LoopParams, LoopSettings, Material, Plan, PlannedStep, Prepared } from './loop/index.ts';
export { calibrationOf, readCalibration, writeCalibration } from './kept-calibrations.ts';
export type { CalibrationNote, KeptCalibration } from './kept-calibrations.ts';
export { pairsOut, questionsOut, readLabels } from './material/labels.ts';
export { preferencePairs } from './material/preferences.ts';
export type { PreferencePair } from './material/preferences.ts';
export { readPromptfoo } from './material/promptfoo.ts';
export type { PromptfooImport } from './material/promptfoo.ts';
export { parseRows, readRows } from './material/rows.ts';
export type { Row } from './material/rows.ts';
export { expandTags, frameworks, tagCounts } from './material/tags.ts';
export type { Framework } from './material/tags.ts';
export { modelsIn, openGiven, openModel } from './open-models.ts';
export type { Filling, OpenOptions } from './open-models.ts';
export { describePower, powerOf } from './power.ts';
export type { Power } from './power.ts';
export type { Progress } from './progress.ts';
export {
  collectReport,
  figureSvg,
  figureTable,
  reportForms,
  reportText,
  standingOf,
  verdictOf,
  writeReport,
} from './report/index.ts';
export type { Report, ReportForm, ReportRun, Standing } from './report/index.ts';
export { rescore } from './rescore.ts';
export type { Rescored } from './rescore.ts';
export { methodOf, resumeRun } from './resume.ts';
export type { Request } from './resume.ts';
export { parseParams, runMethod } from './run.ts';
export type { RunOptions, RunResult } from './run.ts';
export { submit, work } from './worker/index.ts';
export type { LeadResult, SharedOptions, Submitted, SubmitOptions, WorkerOptions } from './worker/index.ts';
