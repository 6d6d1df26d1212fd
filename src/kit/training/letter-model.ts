/**
 * A model folder for trials of trainers: every byte is a token, conversations are lines between two control tokens, and
 * the weights are random. It knows nothing, so whatever it says afterwards was learned; and it is small enough to learn
 * a few sentences in seconds.
 */
import { rmSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Random } from '../../core/random.ts';
import { initialiseNetwork, saveNetwork } from '../../network/index.ts';

export interface LetterModelShape {
  /** @default 32 */
  readonly width?: number;
  /** @default 2 */
  readonly layers?: number;
  /** @default 256 */
  readonly context?: number;
}

const CONTROLS = ['<|turn|>', '<|end|>'];
const TEMPLATE =
  "{% for m in messages %}{{ '<|turn|>' + m.role + '\\n' + m.content + '<|end|>\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|turn|>assistant\\n' }}{% endif %}";

/** The settings of such a model, as config.json has them. */
export function letterConfig({ width = 32, layers = 2, context = 256 }: LetterModelShape = {}): {
  readonly [key: string]: string | number | boolean;
} {
  return {
    model_type: 'llama',
    vocab_size: 256 + CONTROLS.length,
    hidden_size: width,
    intermediate_size: 3 * width,
    num_hidden_layers: layers,
    num_attention_heads: Math.max(1, width / 16),
    max_position_embeddings: context,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: true,
    eos_token_id: 257,
  };
}

/** Writes the model into a fresh temporary folder, which is removed when the process ends. */
export async function letterModelFolder(random: Random, shape: LetterModelShape = {}): Promise<string> {
  const tokenizerFolder = await mkdtemp(join(tmpdir(), 'fiducial-letters-'));
  try {
    const vocabulary = Array.from({ length: 256 }, (_, byte) => {
      return [`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`, byte] as const;
    });
    const tokenizer = {
      version: '1.0',
      model: { type: 'BPE', vocab: Object.fromEntries(vocabulary), merges: [], byte_fallback: true },
      decoder: { type: 'ByteFallback' },
      added_tokens: CONTROLS.map((content, i) => ({ id: 256 + i, content, special: true })),
    };
    await writeFile(join(tokenizerFolder, 'tokenizer.json'), JSON.stringify(tokenizer));
    await writeFile(
      join(tokenizerFolder, 'tokenizer_config.json'),
      JSON.stringify({ eos_token: '<|end|>', chat_template: TEMPLATE }),
    );
    const folder = await mkdtemp(join(tmpdir(), 'fiducial-letter-model-'));
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
    const network = initialiseNetwork(letterConfig(shape), random);
    await saveNetwork(folder, network, { dtype: 'F32', tokenizerFrom: tokenizerFolder, overwrite: true });
    return folder;
  } finally {
    await rm(tokenizerFolder, { recursive: true, force: true });
  }
}
