/** Arguments from evidence to claims: their parts, their faults, their bounds, their drawing. */
export { conjunction } from './conjunction.ts';
export { graphOf, outline } from './drawing.ts';
export { lint } from './lint.ts';
export { barOf, defeater, evidenceRow, node, topGoals } from './nodes.ts';
export type { CaseDefeater, CaseEvidence, CaseNode, State } from './nodes.ts';
