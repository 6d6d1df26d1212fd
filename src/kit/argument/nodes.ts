/**
 * What an argument is made of: nodes of the Goal Structuring Notation, evidence that solutions point at, and doubts.
 *
 * Source: GSN Community Standard, version 3; doubts ("defeaters") after Assurance 2.0 (arXiv 2502.05791).
 */
import { z } from 'zod';
import { type Bar, parseBar } from '../../core/bars.ts';
import { isFiducialError } from '../../core/errors.ts';

const kinds = ['goal', 'strategy', 'solution', 'context', 'assumption', 'justification'] as const;

export const node = z.strictObject({
  id: z.string().min(1),
  kind: z.enum(kinds),
  text: z.string().min(1),
  supportedBy: z.array(z.string()).optional(),
  inContextOf: z.array(z.string()).optional(),
  /** A goal that is meant to be argued and is not yet. */
  undeveloped: z.boolean().optional(),
  /** Another case that argues this goal. */
  away: z.string().optional(),
  /** Of a solution: the evidence it points at. */
  evidence: z.string().optional(),
  /** Of a solution: what its measures must show, as a bar: `attack success <= 5%`. */
  requires: z.string().optional(),
  /** Stated confidence, where no interval gives it. */
  confidence: z.number().min(0).max(1).optional(),
});
export type CaseNode = z.infer<typeof node>;

export const evidenceRow = z.strictObject({
  id: z.string().min(1),
  title: z.string().min(1),
  /** When it was made: evidence ages. */
  madeAt: z.iso.datetime().or(z.iso.date()).optional(),
  /** Its bytes; evidence that is gone supports nothing. */
  ref: z.templateLiteral(['sha256:', z.string().regex(/^[0-9a-f]{64}$/)]).optional(),
  run: z.string().optional(),
  method: z.string().optional(),
  /** Of the instrument, at the code that ran. */
  instrument: z.enum(['calibrated', 'stale', 'none', 'not an instrument']),
  /** What the calibration says, in words. */
  calibration: z.string().optional(),
  measures: z
    .array(z.looseObject({ name: z.string(), value: z.number(), low: z.number(), high: z.number() }))
    .optional(),
});
export type CaseEvidence = z.infer<typeof evidenceRow>;

export const defeater = z.strictObject({
  id: z.string().min(1),
  against: z.string().min(1),
  text: z.string().min(1),
  /** `accepted`: a doubt that remains and is knowingly carried, for the reason given. */
  status: z.enum(['open', 'refuted', 'accepted', 'confirmed']),
  why: z.string().optional(),
});
export type CaseDefeater = z.infer<typeof defeater>;

/** What an argument comes to at one node. `refuted`: shown to be false. `open`: neither shown nor refuted. */
export interface State {
  readonly state: 'holds' | 'open' | 'refuted';
  readonly why: readonly string[];
}

/** Goals that nothing rests on. */
export function topGoals(nodes: readonly CaseNode[]): CaseNode[] {
  const below = new Set(nodes.flatMap(({ supportedBy = [] }) => supportedBy));
  return nodes.filter(({ id, kind }) => kind === 'goal' && !below.has(id));
}

/** A solution's requirement, or undefined where it is no bar. */
export function barOf(text: string): Bar | undefined {
  try {
    return parseBar(text);
  } catch (error) {
    if (isFiducialError(error, 'bar.invalid')) return undefined;
    throw error;
  }
}
