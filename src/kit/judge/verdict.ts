/**
 * What a judge is: plain interfaces, apart from the judges so that each of them can be a file of its own.
 * A verdict is measured or it is not; a judge that refused has said nothing about the reply.
 */

/** What is judged: what was wanted, and what came back. */
export interface Case {
  readonly request: string;
  readonly reply: string;
}

export type Verdict =
  | { readonly status: 'measured'; readonly value: 0 | 1; readonly why: string }
  | { readonly status: 'undetermined'; readonly why: string };

export interface Judge {
  /** Changes with everything that may change a verdict: kind, wording, model. */
  readonly id: string;
  /** @throws FiducialError where the judge's model gave no reply at all; a reply that decides nothing is a verdict */
  grade(graded: Case, signal: AbortSignal): Promise<Verdict>;
}
