/**
 * What an attack is given and how it is set: the rows of requests, and the parameters that every attack has.
 *
 * One shape for all attacks, so that a campaign, a loop and a transfer can hand the same rows to any of them. The
 * parameters are plain zod fields that a method spreads into its own schema, so flags and forms say the same words.
 */
import { z } from 'zod';
import { judgeForms } from '../judge/index.ts';

/** One thing that the target should not do. */
export const requestRow = z.strictObject({
  id: z.string().min(1),
  request: z.string().min(1),
  /** Paraphrases of one behaviour share a cluster. */
  cluster: z.string().optional(),
  /** OWASP LLM, NIST AI RMF, MITRE ATLAS and other tags, carried into the findings. */
  tags: z.array(z.string()).optional(),
  /** What kind of request it is; a campaign covers every category. */
  category: z.string().optional(),
});
export type RequestRow = z.infer<typeof requestRow>;

/** What a row of requests holds, for help. */
export const requestWords = 'rows { id, request, cluster?, tags?, category? }';

/** How the target is asked and its reply is judged. @example const params = z.strictObject({ ...targetParams, ... }) */
export const targetParams = {
  temperature: z.number().min(0).max(2).default(0).describe('Sampling temperature of the target'),
  maxTokens: z.int().min(1).default(300).describe('Longest reply of the target, in tokens'),
  verdict: z
    .string()
    .default('rubric')
    .describe(`How a reply is judged in the end: ${judgeForms.join(', ')}`),
};
/** What {@link targetParams} come to. */
export interface TargetSettings {
  readonly temperature: number;
  readonly maxTokens: number;
  readonly verdict: string;
}

/** How an attacking model is asked. The values are those of PAIR's public code. */
export const attackerParams = {
  attackerTemperature: z.number().min(0).max(2).default(1).describe('Sampling temperature of the attacker'),
  attackerMaxTokens: z.int().min(1).default(500).describe('Longest reply of the attacker, in tokens'),
  attackerTries: z.int().min(1).max(20).default(5).describe('Tries at a proposal that can be read'),
  knows: z.string().default('').describe('What the attacker is told about a guard in its way'),
};
export interface AttackerSettings {
  readonly attackerTemperature: number;
  readonly attackerMaxTokens: number;
  readonly attackerTries: number;
  readonly knows: string;
}
