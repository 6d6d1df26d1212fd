/**
 * What a model can do against what a method needs, checked before a run and before each ask.
 *
 * A feature that would silently change nothing (a schema that the server ignores) gives figures that mean something
 * else than they say, so an ask for it is refused. `seed` and `topK` are the exception: providers promise no more than
 * their best for them, so they are passed where they exist and left out where not.
 */
import { FiducialError } from '../core/errors.ts';
import type { Ask, Capabilities, Model } from './model.ts';

export type Capability = Exclude<keyof Capabilities, 'contextTokens'>;

/**
 * @throws FiducialError `model.unsupported`, naming everything that is missing
 * @example requireCapabilities(model, ['tools', 'logprobs']);
 */
export function requireCapabilities(model: Model, needs: readonly Capability[]): void {
  const missing = needs.filter((need) => !model.capabilities[need]);
  if (missing.length === 0) return;
  throw unsupported(model.id, missing);
}

/** Refuses an ask for something that the model does not declare. @throws FiducialError `model.unsupported` */
export function checkAsk(id: string, capabilities: Capabilities, ask: Ask): void {
  const missing: Capability[] = [];
  if (ask.tools !== undefined && ask.tools.length > 0 && !capabilities.tools) missing.push('tools');
  if (ask.schema !== undefined && !capabilities.schema) missing.push('schema');
  if (ask.logprobs !== undefined && !capabilities.logprobs) missing.push('logprobs');
  if (ask.prefix !== undefined && !capabilities.prefix) missing.push('prefix');
  if (!capabilities.images && ask.messages.some((message) => (message.images?.length ?? 0) > 0)) missing.push('images');
  if (missing.length > 0) throw unsupported(id, missing);
}

function unsupported(id: string, missing: readonly Capability[]): FiducialError {
  return new FiducialError(
    'model.unsupported',
    `${id} does not declare ${missing.map((capability) => words[capability]).join(', ')}`,
    `Choose another model, or, if this server does take it, set capabilities: { ${missing.map((each) => `${each}: true`).join(', ')} } in the model’s options.`,
  );
}

const words: Record<Capability, string> = {
  tools: 'tools',
  schema: 'structured output (schema)',
  images: 'images',
  logprobs: 'log-probabilities (logprobs)',
  seed: 'seeds',
  prefix: 'a begun reply (prefix)',
  reasoning: 'reasoning text',
};
