/**
 * The patterns of a `tokenizer.json` (`{ String }` or `{ Regex }`) as JavaScript regular expressions.
 *
 * Hugging Face's Rust library reads `Regex` as Oniguruma syntax; `@huggingface/tokenizers` translates that into
 * JavaScript's, and its translation is what is used here. The character classes below are those of Rust's `char` and
 * `regex` crates, written with Unicode properties.
 */
import * as library from '@huggingface/tokenizers';
import { show } from '../../core/errors.ts';
import { badField, joinPath, optionalFields, type Fields } from './fields.ts';

/** Rust's `char::is_whitespace` and `\s`. */
export const WHITESPACE = String.raw`\p{White_Space}`;

/** The members of `\w` in Rust's `regex` crate. */
export const WORD = String.raw`\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}`;

/** ASCII punctuation and symbols, and Unicode's punctuation: what BERT splits off. */
export const PUNCTUATION = String.raw`\p{P}!-\/:-@\[-${'`'}\{-~`;

/**
 * The global regular expression for the pattern at `name`.
 *
 * @throws FiducialError `tokenizer.field` when it is neither `{ String }` nor `{ Regex }`, or can't be translated
 */
export function patternAt(fields: Fields, name: string): RegExp {
  const value = fields.object[name];
  if (typeof value === 'string') return literal(value);
  const pattern = optionalFields(fields, name)?.object ?? {};
  if (typeof pattern.String === 'string') return literal(pattern.String);
  if (typeof pattern.Regex !== 'string') {
    throw badField(fields, name, `is ${show(value)}, neither { "String": ... } nor { "Regex": ... }`);
  }
  const place = { file: fields.file, path: joinPath(fields, name) };
  try {
    return translate(pattern.Regex);
  } catch (error) {
    throw badField(place, 'Regex', `can't be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Oniguruma syntax to a JavaScript pattern, by the library's `Split`, which keeps what it compiled. */
function translate(regex: string): RegExp {
  // The library's declarations don't resolve under Node's module rules, so the class is taken by name and checked.
  const exported: Readonly<Record<string, unknown>> = library;
  const Split = exported.SplitPreTokenizer;
  if (typeof Split !== 'function') throw new Error('@huggingface/tokenizers has no SplitPreTokenizer');
  const made: unknown = Reflect.construct(Split, [{ type: 'Split', pattern: { Regex: regex }, invert: false }]);
  // What it makes is callable, so it is a function with a pattern.
  if (typeof made === 'function' && 'pattern' in made && made.pattern instanceof RegExp) return made.pattern;
  throw new Error('@huggingface/tokenizers gave no pattern');
}

/** The global regular expression that matches `text` itself. */
export function literal(text: string): RegExp {
  return new RegExp(text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`), 'gu');
}
