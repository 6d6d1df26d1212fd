/**
 * Hashed features of a text, word by word, for classifiers that read a stream.
 *
 * Each word brings the features that end with it: itself and its pair with the word before; its ordered pairs with the
 * words of a window before it ("a ... b"); its letter n-grams, which survive misspelling, and those of a run of single
 * letters, so that a spelled-out word is read as a word. Features are hashed into a fixed number of weights
 * (Weinberger et al. 2009, "Feature Hashing", without signs: collisions only blur). Text is folded first (Unicode NFKD,
 * marks dropped, lower case). Nothing is decoded: that is an attack's and an augmentation's business.
 */

/** Which features are read; a classifier is measured with each and keeps the best. */
export const featureKinds = ['words', 'pairs', 'letters', 'all'] as const;
export type FeatureKind = (typeof featureKinds)[number];

/** The features that one word brings, with their values; equal indices may repeat and then add up. */
export interface WordFeatures {
  readonly index: Uint32Array;
  readonly value: Float32Array;
}

export interface WordReader {
  /** @param word letters and digits, as they stand in the text */
  next(word: string): WordFeatures;
}

/**
 * Reads a text's words in their order.
 *
 * @param bits the number of weights is 2^bits
 * @param channel keeps the words of an ask apart from those of a reply
 * @example const reader = wordReader('words', 16, 'ask'); wordsOf('How is it?').map((word) => reader.next(word));
 */
export function wordReader(kind: FeatureKind, bits: number, channel: string): WordReader {
  const mask = 2 ** bits - 1;
  const salt = hash(channel, offset);
  const past: string[] = [];
  let spelled = '';
  const hasWords = kind !== 'letters';
  const hasPairs = kind === 'pairs' || kind === 'all';
  const hasLetters = kind === 'letters' || kind === 'all';
  return {
    next(raw) {
      const word = fold(raw);
      const index: number[] = [];
      const value: number[] = [];
      const add = (group: string, text: string, size: number): void => {
        index.push((hash(text, hash(group, salt)) & mask) >>> 0);
        value.push(size);
      };
      if (hasWords) {
        add('word', word, 1);
        add('next', `${past.at(-1) ?? ''} ${word}`, 1);
      }
      if (hasPairs) for (const before of new Set(past)) add('pair', `${before} ${word}`, 1);
      spelled = [...word].length === 1 ? spelled + word : '';
      if (hasLetters) {
        const grams = spelled.length > 1 ? endingGrams(spelled) : wordGrams(word);
        for (const gram of grams) add('letters', gram, 1 / Math.sqrt(grams.length));
      }
      past.push(word);
      if (past.length > pairWindow) past.shift();
      return { index: Uint32Array.from(index), value: Float32Array.from(value) };
    },
  };
}

/** Runs of letters and digits, in their order. */
export function wordsOf(text: string): string[] {
  return text.match(wordPattern) ?? [];
}

/** Letters, marks and digits; what stands between words is not read. */
export const wordPattern = /[\p{L}\p{M}\p{N}]+/gu;

function fold(word: string): string {
  return word.normalize('NFKD').replaceAll(/\p{M}/gu, '').toLowerCase();
}

/** The word's n-grams of 3 to 5 letters, its borders marked; a short word whole. */
function wordGrams(word: string): string[] {
  const marked = `^${word}$`;
  if (marked.length <= 4) return [marked];
  const grams: string[] = [];
  for (let size = 3; size <= 5; size++) {
    for (let at = 0; at + size <= marked.length; at++) grams.push(marked.slice(at, at + size));
  }
  return grams;
}

/** The n-grams that the newest single letter ends, as they would stand inside a word. */
function endingGrams(spelled: string): string[] {
  return [3, 4, 5].filter((size) => spelled.length >= size).map((size) => spelled.slice(-size));
}

/** FNV-1a over UTF-16 units, 32 bits. */
function hash(text: string, from: number): number {
  let state = from;
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 16777619);
  return Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) ^ (state >>> 13);
}

const offset = 0x811c9dc5;
const pairWindow = 16;
