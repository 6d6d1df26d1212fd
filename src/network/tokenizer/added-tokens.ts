/**
 * Tokens added on top of a model's vocabulary: found in the text before the model sees it.
 *
 * Source: Hugging Face tokenizers, `tokenizer/added_vocabulary.rs` (0.23), by behaviour: leftmost-longest matches, first
 * of the tokens that match the raw text, then of those that match the normalized text. Departure: a special token that
 * may not stand at a place (text that a user wrote) is as if it did not exist, so that ordinary text around it, and
 * shorter added tokens inside it, are tokenized as they would be without it.
 */
import type { Fields } from './fields.ts';
import { badField, booleanAt, countAt, listOfFields, textAt } from './fields.ts';
import { WHITESPACE, WORD } from './pattern.ts';

/** One added token, as the file has it. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Matches only where no word character touches it. */
  readonly isSingleWord: boolean;
  /** Swallows whitespace on its left. */
  readonly stripsLeft: boolean;
  readonly stripsRight: boolean;
  /** Matches the normalized text instead of the raw one. */
  readonly isNormalized: boolean;
  /** A control token: it means something to the model beyond its text. */
  readonly isSpecial: boolean;
}

/** A match: units `start` to `end`, whitespace included. */
export interface AddedMatch {
  readonly start: number;
  readonly end: number;
  readonly token: AddedToken;
}

/** Which token may stand at which units of the text. */
export type MayStand = (token: AddedToken, start: number, end: number) => boolean;

/** The added tokens of a file, in its order. */
export function addedTokensAt(file: Fields): AddedToken[] {
  if (file.object.added_tokens === undefined || file.object.added_tokens === null) return [];
  return listOfFields(file, 'added_tokens').map((fields) => {
    const content = textAt(fields, 'content');
    if (content === '') throw badField(fields, 'content', 'is empty');
    const isSpecial = booleanAt(fields, 'special', false);
    return {
      id: countAt(fields, 'id'),
      content,
      isSingleWord: booleanAt(fields, 'single_word', false),
      stripsLeft: booleanAt(fields, 'lstrip', false),
      stripsRight: booleanAt(fields, 'rstrip', false),
      isNormalized: booleanAt(fields, 'normalized', !isSpecial),
      isSpecial,
    };
  });
}

interface Node {
  readonly next: Map<number, Node>;
  token?: AddedToken;
}

const ENDS_WITH_WORD = new RegExp(`[${WORD}]$`, 'u');
const STARTS_WITH_WORD = new RegExp(`^[${WORD}]`, 'u');
const SPACE_AT_START = new RegExp(`^[${WHITESPACE}]+`, 'u');
const IS_SPACE = new RegExp(`[${WHITESPACE}]`, 'u');

/**
 * A search for added tokens.
 *
 * @param tokens each with the text that it matches
 */
export function makeAddedTokenSearch(
  tokens: readonly { readonly text: string; readonly token: AddedToken }[],
): (text: string, mayStand: MayStand) => AddedMatch[] {
  const root: Node = { next: new Map() };
  for (const { text, token } of tokens) {
    if (text === '') continue;
    let node = root;
    for (let i = 0; i < text.length; i++) {
      let child = node.next.get(text.charCodeAt(i));
      if (child === undefined) node.next.set(text.charCodeAt(i), (child = { next: new Map() }));
      node = child;
    }
    node.token ??= token;
  }

  function longestAt(text: string, start: number, mayStand: MayStand): { token: AddedToken; end: number } | undefined {
    let found: { token: AddedToken; end: number } | undefined;
    let node = root.next.get(text.charCodeAt(start));
    for (let end = start + 1; node !== undefined; end++) {
      if (node.token !== undefined && mayStand(node.token, start, end)) found = { token: node.token, end };
      if (end >= text.length) break;
      node = node.next.get(text.charCodeAt(end));
    }
    return found;
  }

  return (text, mayStand) => {
    const matches: AddedMatch[] = [];
    if (root.next.size === 0) return matches;
    let taken = 0;
    for (let at = 0; at < text.length;) {
      const found = longestAt(text, at, mayStand);
      if (found === undefined) {
        at++;
        continue;
      }
      let start = at;
      let { end } = found;
      at = end;
      const { token } = found;
      if (token.isSingleWord) {
        const touches =
          ENDS_WITH_WORD.test(lastCharacter(text, start)) || STARTS_WITH_WORD.test(text.slice(end, end + 2));
        if (touches) continue;
      }
      if (token.stripsLeft) while (start > taken && IS_SPACE.test(text[start - 1]!)) start--;
      if (token.stripsRight) end += SPACE_AT_START.exec(text.slice(end))?.[0].length ?? 0;
      // A token's trailing whitespace may reach into the next match, which then loses it.
      matches.push({ start: Math.max(start, taken), end, token });
      taken = end;
    }
    return matches;
  };
}

function lastCharacter(text: string, end: number): string {
  return text.slice(Math.max(0, end - 2), end);
}
