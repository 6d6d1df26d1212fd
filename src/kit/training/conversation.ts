/**
 * Conversations and pairs of prompt and completion as tokens, with the loss on what the model is to say.
 *
 * A turn of the assistant is what the chat template writes between the prompt of the turn (with its generation prompt)
 * and the end of the turn, so its end-of-turn token is learned and its header is not; blanks that the template writes
 * behind that token are not learned either, since generation ends before them. Tokens are those of the whole
 * conversation, and what messages say never becomes a control token (encode-chat.ts).
 */
import { FiducialError, show } from '../../core/errors.ts';
import {
  type ChatMessage,
  type ChatTemplateOptions,
  encodeChat,
  type LoadedTokenizer,
} from '../../network/tokenizer/index.ts';
import type { TrainingText } from './texts.ts';

/** Which turns of the assistant are learned. */
export type LearnedTurns = 'all' | 'last';

/**
 * A conversation with the loss on the assistant's turns.
 *
 * @throws FiducialError `train.no-template` without a chat template, `train.no-turn` where the assistant says nothing,
 *   `train.template` where the template writes a turn differently once another follows, so that it cannot be found
 * @example
 * conversationText(tokenizer, [{ role: 'user', content: 'Hi' }, { role: 'assistant', content: 'Hello.' }]);
 */
export function conversationText(
  tokenizer: LoadedTokenizer,
  messages: readonly ChatMessage[],
  learned: LearnedTurns = 'all',
): TrainingText {
  const { chatTemplate } = tokenizer;
  if (chatTemplate === undefined) {
    throw new FiducialError(
      'train.no-template',
      'the model has no chat template, and conversations are trained on through it',
      'Put chat_template.jinja into its folder, or give rows of prompt and completion.',
    );
  }
  const options = specialTokens(tokenizer);
  const whole = encodeChat(tokenizer, chatTemplate, messages, options);
  const turns = messages.flatMap(({ role }, index) => (role === 'assistant' ? [index] : []));
  if (turns.length === 0) {
    throw new FiducialError(
      'train.no-turn',
      `a conversation of ${messages.length} messages has no turn of the assistant`,
      'Add what the model is to say, with the role "assistant".',
    );
  }
  const weights = new Float32Array(whole.ids.length);
  for (const index of learned === 'last' ? turns.slice(-1) : turns) {
    const before = encodeChat(tokenizer, chatTemplate, messages.slice(0, index), {
      ...options,
      addGenerationPrompt: true,
    }).text;
    const after =
      index === messages.length - 1
        ? whole.text
        : encodeChat(tokenizer, chatTemplate, messages.slice(0, index + 1), options).text;
    if (!after.startsWith(before) || !whole.text.startsWith(after)) {
      throw new FiducialError(
        'train.template',
        `the chat template writes turn ${index + 1} differently inside the whole conversation`,
        'Train on the last turn alone, or split the conversation into one row a turn.',
      );
    }
    // The template's blanks behind the last special token are said by nobody.
    const end = endOfTurn(tokenizer, whole, after.length);
    whole.offsets.forEach(([from, to], i) => {
      if (from >= before.length && to <= end && to > from) weights[i] = 1;
    });
  }
  return { ids: whole.ids, weights };
}

/** Where a turn that the template ends at `limit` is over: behind its last special token, if only blanks follow. */
function endOfTurn(
  tokenizer: LoadedTokenizer,
  { ids, offsets, text }: ReturnType<typeof encodeChat>,
  limit: number,
): number {
  const special = new Set(tokenizer.specialTokens.values());
  for (let i = ids.length - 1; i >= 0; i--) {
    const [from, to] = offsets[i]!;
    if (to > limit || to === from) continue;
    if (special.has(ids[i]!)) return text.slice(to, limit).trim() === '' ? to : limit;
    if (text.slice(from, limit).trim() !== '') return limit;
  }
  return limit;
}

/** A prompt and what is to follow it, as plain text; the loss is on the completion and the end-of-text token. */
export function completionText(tokenizer: LoadedTokenizer, prompt: string, completion: string): TrainingText {
  const before = tokenizer.encode(prompt);
  const own = tokenizer.encode(completion, { addSpecialTokens: false });
  const end = tokenizer.eosToken === undefined ? undefined : tokenizer.idOf(tokenizer.eosToken);
  const ids = [...before, ...own, ...(end === undefined ? [] : [end])];
  if (own.length === 0 || ids.length < 2) {
    throw new FiducialError('train.no-turn', `the completion is ${show(completion)}`, 'Say what is to follow.');
  }
  return { ids, weights: Float32Array.from(ids, (_, i) => (i >= before.length ? 1 : 0)) };
}

function specialTokens({ bosToken, eosToken }: LoadedTokenizer): ChatTemplateOptions {
  return {
    ...(bosToken === undefined ? {} : { bosToken }),
    ...(eosToken === undefined ? {} : { eosToken }),
  };
}
