/** What trainers share: texts and sources, packing, descent, what of a network is trained, checkpoints, speed. */
export { completionText, conversationText, type LearnedTurns } from './conversation.ts';
export { type Descent, type DescentSettings, type DescentState, openDescent, type Stepped } from './descent.ts';
export {
  batchArrays,
  type CountedBatch,
  forwardInputs,
  packBatch,
  packingBegins,
  type PackOptions,
  type PackState,
  type PlacedText,
  type TokenBatch,
} from './packing.ts';
export {
  learnedTokens,
  openPreferences,
  type PreferencePair,
  type PreferenceReport,
  type PreferenceState,
  type PreferenceTraining,
  type PreferenceTrainingSettings,
  replyLogProbabilities,
} from './preference-training.ts';
export {
  checkPreferenceSettings,
  preferenceLoss,
  type PreferenceLoss,
  preferenceLosses,
  type PreferenceSettings,
} from './preferences.ts';
export { chatMessage, lossesOf, rowText, type TrainingRow, trainingRow } from './rows.ts';
export { peakFlops, stepFlops, type StepSize } from './speed.ts';
export {
  type Evaluated,
  openSupervised,
  type StepReport,
  type Supervised,
  type SupervisedSettings,
  type SupervisedState,
  type Trained,
  type TrainingHooks,
  trainSupervised,
} from './supervised.ts';
export { letterModelFolder, type LetterModelShape } from './letter-model.ts';
export { fittingText, iterableSource, shuffledSource, type TextSource, type TrainingText } from './texts.ts';
export {
  type AdapterParts,
  allParameters,
  copyTree,
  type LoraSettings,
  lowRankChange,
  type Trainable,
} from './trainable.ts';
export { treeFromBytes, treeToBytes } from './tree-bytes.ts';
