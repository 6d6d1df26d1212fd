/**
 * The normalizers of a `tokenizer.json`: functions from text to text that keep the alignment.
 *
 * Source: Hugging Face tokenizers, `src/normalizers` (0.23), by behaviour. `@huggingface/tokenizers` is not used for
 * these: it lower-cases with regard to context (a final sigma), ignores the charsmap of `Precompiled`, strips only
 * non-spacing marks, and keeps no alignment.
 */
import { show } from '../../core/errors.ts';
import { editText, normalizeForm, prependText, replaceMatches, sliceText, type AlignedText } from './aligned-text.ts';
import { byteCharacters } from './bytes.ts';
import { badField, booleanAt, listOfFields, optionalFields, textAt, type Fields } from './fields.ts';
import { patternAt, WHITESPACE } from './pattern.ts';
import { precompiledNormalizer } from './precompiled.ts';
import { FORMER_MARKS, LATER_FORMAT, LATER_MARKS, LATER_NONSPACING_MARKS } from './unicode-versions.ts';

/** Rewrites a text before it is split. */
export type Normalizer = (text: AlignedText) => AlignedText;

/** Characters that Rust's `char::to_lowercase` maps one by one, without regard to context. */
const UPPER = /\p{Changes_When_Lowercased}/gu;
const SPACE_START = new RegExp(`^[${WHITESPACE}]+`, 'u');
const SPACE_END = new RegExp(`[${WHITESPACE}]+$`, 'u');
const NMT_REMOVED = new RegExp(String.raw`[\u0001-\u0008\u000b\u000e-\u001f\u007f\u008f\u009f]`, 'gu');
const NMT_SPACES = new RegExp(String.raw`[\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]`, 'gu');
const BERT_REMOVED = new RegExp(String.raw`[\0\ufffd\p{Co}]|(?![\t\n\r])\p{Cc}|(?![${LATER_FORMAT}])\p{Cf}`, 'gu');
const ACCENT = new RegExp(String.raw`(?![${LATER_MARKS}])[\p{M}${FORMER_MARKS}]`, 'gu');
const NONSPACING = new RegExp(String.raw`(?![${LATER_NONSPACING_MARKS}])\p{Mn}`, 'gu');
const BERT_SPACES = new RegExp(`[${WHITESPACE}]`, 'gu');
const CHINESE =
  /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/gu;

/**
 * The normalizer that `fields` describes.
 *
 * @throws FiducialError `tokenizer.field` for an unknown type or a wrong setting
 */
export function makeNormalizer(fields: Fields): Normalizer {
  const type = textAt(fields, 'type');
  switch (type) {
    case 'Sequence': {
      const parts = listOfFields(fields, 'normalizers').map(makeNormalizer);
      return (text) => parts.reduce((before, part) => part(before), text);
    }
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD':
      return (text) => normalizeForm(text, type);
    case 'Lowercase':
      return lowercase;
    case 'Strip':
      return strip(booleanAt(fields, 'strip_left'), booleanAt(fields, 'strip_right'));
    case 'StripAccents':
      return (text) => replaceMatches(text, ACCENT, () => '');
    case 'Nmt':
      return (text) =>
        replaceMatches(
          replaceMatches(text, NMT_REMOVED, () => ''),
          NMT_SPACES,
          () => ' ',
        );
    case 'Prepend': {
      const content = textAt(fields, 'prepend');
      return (text) => prependText(text, content);
    }
    case 'Replace': {
      const pattern = patternAt(fields, 'pattern');
      const content = textAt(fields, 'content');
      return (text) => replaceMatches(text, pattern, () => content);
    }
    case 'ByteLevel':
      return byteCharacters;
    case 'Precompiled':
      return precompiledNormalizer(fields);
    case 'BertNormalizer':
      return bertNormalizer(fields);
    default:
      throw badField(fields, 'type', `is ${show(type)}, a normalizer that is not known here`);
  }
}

/** The normalizer at `normalizer`; the identity when there is none. */
export function normalizerAt(file: Fields): Normalizer | undefined {
  const fields = optionalFields(file, 'normalizer');
  return fields === undefined ? undefined : makeNormalizer(fields);
}

function lowercase(text: AlignedText): AlignedText {
  return replaceMatches(text, UPPER, (character) => character.toLowerCase());
}

function strip(left: boolean, right: boolean): Normalizer {
  return (text) => {
    const start = left ? (SPACE_START.exec(text.text)?.[0].length ?? 0) : 0;
    const end = right ? (SPACE_END.exec(text.text)?.index ?? text.text.length) : text.text.length;
    return sliceText(text, Math.min(start, end), end);
  };
}

function bertNormalizer(fields: Fields): Normalizer {
  const cleans = booleanAt(fields, 'clean_text', true);
  const isolatesChinese = booleanAt(fields, 'handle_chinese_chars', true);
  const lowers = booleanAt(fields, 'lowercase', true);
  const stripsAccents = booleanAt(fields, 'strip_accents', lowers);
  return (text) => {
    let result = text;
    if (cleans) {
      result = replaceMatches(result, BERT_REMOVED, () => '');
      result = replaceMatches(result, BERT_SPACES, () => ' ');
    }
    if (isolatesChinese) {
      const edits = [...result.text.matchAll(CHINESE)].flatMap(({ 0: character, index }) => [
        { start: index, end: index, content: ' ' },
        { start: index + character.length, end: index + character.length, content: ' ' },
      ]);
      result = editText(result, edits);
    }
    if (stripsAccents) result = replaceMatches(normalizeForm(result, 'NFD'), NONSPACING, () => '');
    return lowers ? lowercase(result) : result;
  };
}
