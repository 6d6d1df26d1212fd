/** The loop: its settings, its plan, what it runs on, and the whole itself. */
export { loop } from './loop.ts';
export { townMaterial } from './material.ts';
export type { AllowedRow, Material, SkillRow } from './material.ts';
export { planLines, planLoop } from './plan.ts';
export type { Plan, PlannedStep } from './plan.ts';
export { prepareLoop } from './prepare.ts';
export type { Prepared } from './prepare.ts';
export { loopParams, loopSettings } from './settings.ts';
export type { LoopParams, LoopSettings } from './settings.ts';
