/** Judges by name; see `judge.ts`. */
export { judgeForms, judgeNeedsModel, openJudge } from './judge.ts';
export { answerWith, quote } from './quote.ts';
export type { Quoted } from './quote.ts';
export { isRefusal } from './refusal.ts';
export { rubricJudge } from './rubric.ts';
export type { Case, Judge, Verdict } from './verdict.ts';
