/**
 * What generation needs of a model: its description, its weights, and whether sessions may copy them. A network is
 * one, and so is a quantised set of parameters.
 */
import { FiducialError } from '../../core/errors.ts';
import type { Description } from '../architecture/description.ts';
import type { ForwardOptions } from '../forward.ts';

export interface Forwardable {
  readonly description: Description;
  /** Read while a function is traced: a change of adapters asks for a new generator. */
  forwardOptions(): Pick<ForwardOptions, 'weights' | 'lowRank' | 'project'>;
  /** Whether sessions copy matrix weights into the kernels' layout: faster, more memory. */
  readonly prepack: boolean;
}

/**
 * Refuses ids that the model has no row for, with the place of the first.
 *
 * @throws FiducialError `network.token`
 */
export function requireTokens(description: Description, tokens: readonly number[], what: string): void {
  const at = tokens.findIndex((id) => !Number.isInteger(id) || id < 0 || id >= description.vocabulary);
  if (at < 0) return;
  throw new FiducialError(
    'network.token',
    `${what}: token ${at} is ${String(tokens[at])}, and the vocabulary has ids 0 to ${description.vocabulary - 1}`,
    'Encode the text with the tokenizer of this model.',
  );
}

/**
 * The longest text, in tokens, that a model is run on: its context, times the factor of a rope that stretches past it.
 */
export function longestText({ context, positions }: Description): number {
  if (!('ropes' in positions)) return context;
  const factors = positions.ropes.map((rope) => (rope.kind === 'dynamic' ? rope.factor : 1));
  return Math.floor(context * Math.max(1, ...factors));
}
