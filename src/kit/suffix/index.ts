/** Suffix search: prompts with a place for a suffix, and the loss that it shall lower. */
export { lossNames, meanCrossEntropy, mellowmax, networkObjective } from './objective.ts';
export type { LossName, ObjectiveOptions, Scored, SuffixObjective } from './objective.ts';
export { openSlot } from './slot.ts';
export type { Slot } from './slot.ts';
export { plantedRefuser } from './planted-refuser.ts';
export type { PlantedRefuser } from './planted-refuser.ts';
