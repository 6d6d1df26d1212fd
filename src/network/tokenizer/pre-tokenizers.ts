/**
 * The pre-tokenizers of a `tokenizer.json`: they split a text into the pieces that the model then tokenizes one by one.
 *
 * Source: Hugging Face tokenizers, `src/pre_tokenizers` and `NormalizedString::split` (0.23), by behaviour.
 * `@huggingface/tokenizers` is used for translating patterns only: it knows ASCII words and digits alone, does not split
 * in `Metaspace`, ignores most behaviours of `Split`, and keeps no alignment.
 */
import { show } from '../../core/errors.ts';
import { prependText, replaceMatches, sliceText, type AlignedText } from './aligned-text.ts';
import { byteCharacters } from './bytes.ts';
import { badField, booleanAt, countAt, listOfFields, optionalFields, textAt, wordAt, type Fields } from './fields.ts';
import { FORMER_PUNCTUATION, LATER_PUNCTUATION } from './unicode-versions.ts';
import { literal, patternAt, PUNCTUATION, WHITESPACE, WORD } from './pattern.ts';

/** Splits a piece into smaller ones. Pieces that come out empty are dropped. */
export type PreTokenizer = (piece: AlignedText) => AlignedText[];

const BEHAVIORS = ['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'] as const;
type Behavior = (typeof BEHAVIORS)[number];

/** GPT-2's pattern (Radford et al. 2019), with Unicode's whitespace where JavaScript's `\s` differs. */
const GPT2 = new RegExp(
  `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^${WHITESPACE}\\p{L}\\p{N}]+` +
    `|[${WHITESPACE}]+(?![^${WHITESPACE}])|[${WHITESPACE}]+`,
  'gu',
);
const WORDS = new RegExp(`[${WORD}]+|[^${WORD}${WHITESPACE}]+`, 'gu');
const ONE_SPACE = new RegExp(`[${WHITESPACE}]`, 'gu');
const ONE_PUNCTUATION = new RegExp(`(?![${LATER_PUNCTUATION}])[${PUNCTUATION}${FORMER_PUNCTUATION}]`, 'gu');
const ONE_NUMBER = /\p{N}/gu;

/**
 * The pre-tokenizer that `fields` describes.
 *
 * @throws FiducialError `tokenizer.field` for an unknown type or a wrong setting
 */
export function makePreTokenizer(fields: Fields): PreTokenizer {
  const type = textAt(fields, 'type');
  switch (type) {
    case 'Sequence': {
      const parts = listOfFields(fields, 'pretokenizers').map(makePreTokenizer);
      return (piece) => parts.reduce((pieces, part) => pieces.flatMap((one) => part(one)), [piece]);
    }
    case 'ByteLevel':
      return byteLevel(booleanAt(fields, 'add_prefix_space', true), booleanAt(fields, 'use_regex', true));
    case 'Metaspace':
      return metaspace(fields);
    case 'Split': {
      const pattern = patternAt(fields, 'pattern');
      const behavior = wordAt(fields, 'behavior', BEHAVIORS);
      const isInverted = booleanAt(fields, 'invert', false);
      return (piece) => split(piece, pattern, behavior, isInverted);
    }
    case 'Whitespace':
      return (piece) => split(piece, WORDS, 'Removed', true);
    case 'WhitespaceSplit':
      return (piece) => split(piece, ONE_SPACE, 'Removed');
    case 'CharDelimiterSplit': {
      const delimiter = literal(textAt(fields, 'delimiter'));
      return (piece) => split(piece, delimiter, 'Removed');
    }
    case 'Punctuation': {
      const behavior = wordAt(fields, 'behavior', BEHAVIORS, 'Isolated');
      return (piece) => split(piece, ONE_PUNCTUATION, behavior);
    }
    case 'Digits': {
      const behavior = booleanAt(fields, 'individual_digits', false) ? 'Isolated' : 'Contiguous';
      return (piece) => split(piece, ONE_NUMBER, behavior);
    }
    case 'BertPreTokenizer':
      return (piece) => split(piece, ONE_SPACE, 'Removed').flatMap((word) => split(word, ONE_PUNCTUATION, 'Isolated'));
    case 'FixedLength':
      return fixedLength(countAt(fields, 'length'), fields);
    default:
      throw badField(fields, 'type', `is ${show(type)}, a pre-tokenizer that is not known here`);
  }
}

/** The pre-tokenizer at `pre_tokenizer`; undefined when there is none. */
export function preTokenizerAt(file: Fields): PreTokenizer | undefined {
  const fields = optionalFields(file, 'pre_tokenizer');
  return fields === undefined ? undefined : makePreTokenizer(fields);
}

function byteLevel(addsPrefixSpace: boolean, usesPattern: boolean): PreTokenizer {
  return (piece) => {
    const text = addsPrefixSpace && !piece.text.startsWith(' ') ? prependText(piece, ' ') : piece;
    return (usesPattern ? split(text, GPT2, 'Isolated') : nonEmpty([text])).map(byteCharacters);
  };
}

function metaspace(fields: Fields): PreTokenizer {
  const replacement = textAt(fields, 'replacement');
  if (Array.from(replacement).length !== 1)
    throw badField(fields, 'replacement', `is ${show(replacement)}, not one character`);
  const scheme = prependSchemeAt(fields);
  const splits = booleanAt(fields, 'split', true);
  const delimiter = literal(replacement);
  return (piece) => {
    let text = replaceMatches(piece, / /gu, () => replacement);
    const isFirst = piece.starts[0] === 0;
    if (!text.text.startsWith(replacement) && (scheme === 'always' || (scheme === 'first' && isFirst))) {
      text = prependText(text, replacement);
    }
    return splits ? split(text, delimiter, 'MergedWithNext') : nonEmpty([text]);
  };
}

/** When `Metaspace` adds a space in front; older files say `add_prefix_space` instead. */
export function prependSchemeAt(fields: Fields): 'first' | 'never' | 'always' {
  const byDefault = booleanAt(fields, 'add_prefix_space', true) ? 'always' : 'never';
  return wordAt(fields, 'prepend_scheme', ['first', 'never', 'always'], byDefault);
}

function fixedLength(length: number, fields: Fields): PreTokenizer {
  if (length === 0) throw badField(fields, 'length', 'is 0, which cuts nothing');
  const chunk = new RegExp(`[\\s\\S]{1,${length}}`, 'gu');
  return (piece) => split(piece, chunk, 'Isolated');
}

/** Cuts `piece` at the matches of `pattern`; `isInverted` swaps matches and the text between them. */
function split(piece: AlignedText, pattern: RegExp, behavior: Behavior, isInverted = false): AlignedText[] {
  const spans: { start: number; end: number; isMatch: boolean }[] = [];
  let position = 0;
  for (const match of piece.text.matchAll(pattern)) {
    if (match.index > position) spans.push({ start: position, end: match.index, isMatch: isInverted });
    position = match.index + match[0].length;
    spans.push({ start: match.index, end: position, isMatch: !isInverted });
  }
  if (position < piece.text.length) spans.push({ start: position, end: piece.text.length, isMatch: isInverted });

  const kept: { start: number; end: number }[] = [];
  // Merging with the next is merging with the previous, read from the end.
  const ordered = behavior === 'MergedWithNext' ? spans.reverse() : spans;
  let previousIsMatch: boolean | undefined;
  for (const { start, end, isMatch } of ordered) {
    const last = kept.at(-1);
    const joins =
      last !== undefined &&
      (behavior === 'Contiguous'
        ? isMatch === previousIsMatch
        : (behavior === 'MergedWithPrevious' || behavior === 'MergedWithNext') && isMatch && previousIsMatch === false);
    if (joins) {
      last.start = Math.min(last.start, start);
      last.end = Math.max(last.end, end);
    } else if (behavior !== 'Removed' || !isMatch) kept.push({ start, end });
    previousIsMatch = isMatch;
  }
  if (behavior === 'MergedWithNext') kept.reverse();
  return nonEmpty(kept.map(({ start, end }) => sliceText(piece, start, end)));
}

const nonEmpty = (pieces: AlignedText[]): AlignedText[] => pieces.filter(({ text }) => text !== '');
