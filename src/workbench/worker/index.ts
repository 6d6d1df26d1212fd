/** Runs on many machines: workers, and handing runs to them. */
export { submit, type Submitted, type SubmitOptions } from './submit.ts';
export { sharedOptions, type SharedOptions } from './units.ts';
export { work, type WorkerOptions } from './worker.ts';
export type { LeadResult } from './lead.ts';
