/**
 * Prompts as a chat model reads them, and the tokens behind the instruction that all of them share: where a direction
 * is looked for.
 */
import { FiducialError } from '../../core/errors.ts';
import type { OpenModel } from '../../models/open/index.ts';
import { encodeChat } from '../../network/tokenizer/index.ts';

/** Token ids up to where the reply begins; the plain text where the model has no chat template. */
export function promptIds({ tokenizer }: Pick<OpenModel, 'tokenizer'>, prompt: string): number[] {
  const { chatTemplate, bosToken, eosToken } = tokenizer;
  if (chatTemplate === undefined) return tokenizer.encode(prompt);
  return encodeChat(tokenizer, chatTemplate, [{ role: 'user', content: prompt }], {
    addGenerationPrompt: true,
    ...(bosToken === undefined ? {} : { bosToken }),
    ...(eosToken === undefined ? {} : { eosToken }),
  }).ids;
}

/** How many tokens all texts end with, at least 1 and at most `most`. */
export function sharedEnd(texts: readonly (readonly number[])[], most: number): number {
  let shared = 0;
  while (
    shared < most &&
    texts.every((ids) => ids.length > shared && ids.at(-1 - shared) === texts[0]!.at(-1 - shared))
  ) {
    shared++;
  }
  return Math.max(1, shared);
}

/**
 * First tokens of phrases, as a reply begins with them: alone and behind a blank.
 *
 * @throws FiducialError `direction.no-token` where none of the phrases has one
 */
export function firstTokens({ tokenizer }: Pick<OpenModel, 'tokenizer'>, phrases: readonly string[]): number[] {
  const unknown = tokenizer.unknownToken === undefined ? undefined : tokenizer.idOf(tokenizer.unknownToken);
  const ids = phrases
    .flatMap((phrase) => [phrase, ` ${phrase}`])
    .flatMap((text) => tokenizer.encode(text, { addSpecialTokens: false }).slice(0, 1))
    .filter((id) => id !== unknown);
  // A blank of its own begins every text.
  const blank = tokenizer.encode(' ', { addSpecialTokens: false });
  const own = [...new Set(ids)].filter((id) => !(blank.length === 1 && id === blank[0]));
  if (own.length > 0) return own;
  throw new FiducialError(
    'direction.no-token',
    `No phrase of ${JSON.stringify(phrases)} begins with a token of this model`,
    'Give the words with which its refusals begin: --phrases "I cannot".',
  );
}
