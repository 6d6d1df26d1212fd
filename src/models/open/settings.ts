/**
 * What a checkpoint's files say about generating with it: which tokens end a reply, and how it is meant to be sampled.
 *
 * Sources: `generation_config.json` and `config.json` as transformers reads them. Departure: a model whose settings do
 * not ask for sampling is sampled at temperature 1 all the same, as endpoints do, where transformers would be greedy.
 */
import { FiducialError, show } from '../../core/errors.ts';
import type { Json } from '../../core/values.ts';
import type { Checkpoint, JsonObject } from '../../network/checkpoint/index.ts';
import type { LoadedTokenizer } from '../../network/tokenizer/index.ts';

export interface SamplingDefaults {
  readonly temperature: number;
  readonly topP?: number;
  readonly topK?: number;
}

/** Settings of `generation_config.json` where it asks for sampling; temperature 1 otherwise. */
export function samplingDefaults(config: JsonObject | undefined): SamplingDefaults {
  if (config?.['do_sample'] !== true) return { temperature: 1 };
  const number = (name: string): number | undefined => {
    const value = config[name];
    return typeof value === 'number' && value > 0 ? value : undefined;
  };
  const topP = number('top_p');
  const topK = number('top_k');
  return {
    temperature: number('temperature') ?? 1,
    ...(topP === undefined || topP > 1 ? {} : { topP }),
    ...(topK === undefined || !Number.isInteger(topK) ? {} : { topK }),
  };
}

/** Ends of a turn that templates write and settings sometimes forget. */
const TURN_ENDS = ['<|im_end|>', '<|eot_id|>', '<|eom_id|>', '<end_of_turn>', '<|end|>'];

/**
 * Tokens that end a reply: those that the settings name, the tokenizer's own, and the end of a turn that the template
 * writes.
 */
export function stopTokensOf(
  checkpoint: Pick<Checkpoint, 'folder' | 'config' | 'generationConfig'>,
  tokenizer: LoadedTokenizer,
  vocabulary: number,
): number[] {
  const found = new Set<number>();
  const { generationConfig, config, folder } = checkpoint;
  const named = [
    ['generation_config.json', generationConfig?.['eos_token_id']],
    ['config.json', config['eos_token_id']],
  ] as const;
  for (const [file, value] of named) for (const id of idsOf(value, `${folder}/${file}`, vocabulary)) found.add(id);
  const words = [
    ...(tokenizer.eosToken === undefined ? [] : [tokenizer.eosToken]),
    ...TURN_ENDS.filter((end) => tokenizer.chatTemplate?.includes(end) === true),
  ];
  for (const word of words) {
    const id = tokenizer.specialTokens.get(word) ?? (word === tokenizer.eosToken ? tokenizer.idOf(word) : undefined);
    if (id !== undefined && id < vocabulary) found.add(id);
  }
  return [...found];
}

function idsOf(value: Json | undefined, file: string, vocabulary: number): number[] {
  if (value === undefined || value === null) return [];
  const ids: readonly Json[] = Array.isArray(value) ? value : [value];
  return ids.map((id) => {
    if (typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < vocabulary) return id;
    throw new FiducialError(
      'model.settings',
      `${file}: eos_token_id is ${show(value)}, and ids go from 0 to ${vocabulary - 1}`,
      'Give the id of the token that ends a reply, or a list of them.',
    );
  });
}
