/**
 * A prompt with a place for a suffix, as tokens: what stands before it, what stands behind it, and the reply that is
 * wanted. The chat template is rendered once around a mark, so that every candidate costs one tokenization; a candidate
 * is stable when its text, put at the place, becomes exactly its tokens again, with the same tokens around it.
 */
import { FiducialError, show } from '../../core/errors.ts';
import type { Message } from '../../models/model.ts';
import { encodeContinuation, promptOf } from '../../models/open/prompt.ts';
import { type LoadedTokenizer, renderChat } from '../../network/tokenizer/index.ts';

export interface Slot {
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly target: readonly number[];
  /** The suffix that the slot was made with, as tokens. */
  readonly initial: readonly number[];
  /** What the tokens read as behind the request. */
  textOf(suffix: readonly number[]): string;
  /** The messages with this suffix at the end of the last one. */
  messages(text: string): Message[];
  /** Whether the text of these tokens is these tokens again, at this place. Quick, for candidates. */
  isStable(suffix: readonly number[]): boolean;
  /** The same by rendering the whole conversation as the model is asked. */
  isExact(suffix: readonly number[]): boolean;
}

/**
 * The slot at the end of the last message.
 *
 * @param text the initial suffix, with the blank that parts it from the request
 * @param target what the reply shall begin with
 * @throws FiducialError `suffix.joins` where the tokens of request and suffix cannot be told apart
 * @example
 * const slot = openSlot(tokenizer, [{ role: 'user', content: 'Say it' }], ' x x x x', 'Sure, here it is');
 * slot.isStable(slot.initial); // true
 */
export function openSlot(tokenizer: LoadedTokenizer, messages: readonly Message[], text: string, target: string): Slot {
  const last = messages.at(-1);
  if (last === undefined) throw new FiducialError('suffix.empty', 'A prompt has no message', 'Give it one.');
  const withText = (suffix: string): Message[] => [
    ...messages.slice(0, -1),
    { ...last, content: last.content + suffix },
  ];
  const form = tokenizer.chatTemplate === undefined ? 'plain' : 'template';
  const encode = (suffix: string): readonly number[] =>
    promptOf({ messages: withText(suffix) }, tokenizer, form, 'the model').ids;

  const bare = tokenizer.encode(last.content, { addSpecialTokens: false });
  const initial = tokenizer.encode(last.content + text, { addSpecialTokens: false }).slice(bare.length);
  const whole = encode(text);
  const at = findOnly(whole, initial, text);
  const before = whole.slice(0, at);
  const after = whole.slice(at + initial.length);
  // Two suffixes must have the same surroundings, or the place is no place of its own.
  const other = encode(text + text);
  if (!startsWith(other, before) || !startsWith(other.toReversed(), after.toReversed()))
    throw joins(last.content, text);

  const anchor = bare.slice(-1);
  const anchorText = tokenizer.decode(anchor);
  const textOf = (suffix: readonly number[]): string =>
    tokenizer.decode([...anchor, ...suffix], { skipSpecialTokens: false }).slice(anchorText.length);
  const quick = substituted(tokenizer, messages);
  const isWhole = (ids: readonly number[], suffix: readonly number[]): boolean =>
    ids.length === before.length + suffix.length + after.length &&
    startsWith(ids, before) &&
    suffix.every((id, i) => ids[before.length + i] === id) &&
    after.every((id, i) => ids[before.length + suffix.length + i] === id);
  return {
    before,
    after,
    target: encodeContinuation(tokenizer, target),
    initial,
    textOf,
    messages: withText,
    isExact: (suffix) => isWhole(encode(textOf(suffix)), suffix),
    isStable(suffix) {
      const own = textOf(suffix);
      // Templates trim what a message says.
      return own.trimEnd() === own && isWhole(quick(own), suffix);
    },
  };
}

/** The rendered prompt around a suffix, tokenized without rendering it again. */
function substituted(tokenizer: LoadedTokenizer, messages: readonly Message[]): (suffix: string) => readonly number[] {
  const last = messages.at(-1)!;
  const marked = [...messages.slice(0, -1), { ...last, content: last.content + mark }];
  const { chatTemplate } = tokenizer;
  if (chatTemplate === undefined) {
    return (suffix) =>
      promptOf(
        { messages: [...messages.slice(0, -1), { ...last, content: last.content + suffix }] },
        tokenizer,
        'plain',
        '',
      ).ids;
  }
  const rendered = renderChat(
    chatTemplate,
    marked.map(({ role, content }) => ({ role, content })),
    {
      addGenerationPrompt: true,
      ...(tokenizer.bosToken === undefined ? {} : { bosToken: tokenizer.bosToken }),
      ...(tokenizer.eosToken === undefined ? {} : { eosToken: tokenizer.eosToken }),
    },
  );
  const at = rendered.lastIndexOf(mark);
  const head = rendered.slice(0, at);
  const tail = rendered.slice(at + mark.length);
  const from = Math.max(0, head.lastIndexOf(last.content.trimStart()));
  return (suffix) => {
    const to = head.length + suffix.length;
    // What a message says makes no control token.
    const specialTokens = (start: number, end: number): boolean => end <= from || start >= to;
    return tokenizer.encode(head + suffix + tail, { specialTokens, addSpecialTokens: false });
  };
}

const mark = '\uE000';

/** Where `part` begins in `whole`; the last place, since the suffix ends the last message. */
function findOnly(whole: readonly number[], part: readonly number[], text: string): number {
  for (let at = whole.length - part.length; at >= 0 && part.length > 0; at--) {
    if (part.every((id, i) => whole[at + i] === id)) return at;
  }
  throw joins('the request', text);
}

function startsWith(ids: readonly number[], start: readonly number[]): boolean {
  return ids.length >= start.length && start.every((id, i) => ids[i] === id);
}

function joins(content: string, text: string): FiducialError {
  return new FiducialError(
    'suffix.joins',
    `The suffix ${show(text)} has no tokens of its own behind ${show(content)}`,
    'Begin the suffix with a blank or a line break.',
  );
}
