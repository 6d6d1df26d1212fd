/**
 * The supported architectures, each a reading of its `config.json` into a {@link Description}.
 * Sources: the published definitions (Radford et al. 2019; Black et al. 2022; Touvron et al. 2023; Jiang et al. 2023;
 * Qwen2 and Qwen3 reports; Gemma 2 and 3 reports; Abdin et al. 2024; OLMo 2 report) and the layout of files as
 * transformers writes them.
 */
import { FiducialError, nearestWord, show } from '../../core/errors.ts';
import { ConfigReader } from './config-reader.ts';
import type { Description } from './description.ts';
import { gpt2, gptNeox } from './gpt.ts';
import { gemma2, gemma3, llama, mistral, olmo2, phi3, qwen2, qwen3 } from './llama-family.ts';
import type { Reader } from './parts.ts';

/** Every supported `model_type`. */
const READERS: { readonly [type: string]: Reader } = {
  gpt2,
  gpt_neox: gptNeox,
  llama,
  mistral,
  qwen2,
  qwen3,
  gemma2,
  gemma3_text: gemma3,
  phi3,
  olmo2,
};

export const supportedArchitectures: readonly string[] = Object.keys(READERS);

/**
 * The description of a parsed `config.json`. Throws `network.config` for an architecture or setting that is not
 * understood, naming it.
 */
export function describe(config: { readonly [key: string]: unknown }, place = 'config.json'): Description {
  const type = config['model_type'];
  const read = typeof type === 'string' ? READERS[type] : undefined;
  if (read === undefined) {
    const near = typeof type === 'string' ? nearestWord(type, supportedArchitectures) : undefined;
    throw new FiducialError(
      'network.config',
      `${place}: model_type is ${show(type)}, which is not supported`,
      `Supported are ${supportedArchitectures.join(', ')}${near === undefined ? '' : `; nearest is ${near}`}.`,
    );
  }
  if (config['quantization_config'] !== undefined && config['quantization_config'] !== null) {
    throw new FiducialError(
      'network.config',
      `${place}: quantization_config: quantised checkpoints are not read`,
      'Use the float16, bfloat16 or float32 checkpoint of the same model.',
    );
  }
  const reader = new ConfigReader(config, place);
  const description = read(reader);
  for (const name of ['is_encoder_decoder', 'add_cross_attention']) reader.only(name, false);
  const pruned = config['pruned_heads'];
  if (pruned !== undefined && pruned !== null && (typeof pruned !== 'object' || Object.keys(pruned).length > 0))
    throw reader.refuse('pruned_heads', 'heads that were cut out are not supported');
  reader.raw('pruned_heads');
  reader.finish();
  return description;
}
