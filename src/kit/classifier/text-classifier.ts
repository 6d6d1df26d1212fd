/**
 * A linear classifier of exchanges over hashed word features, scored word by word while the reply streams.
 *
 * After Constitutional Classifiers (Sharma et al. 2025): one logit a token, read from everything up to it; the score is
 * the running maximum. Departs from it in that the features are hashed words instead of a language model's states, and
 * so there is no next-token loss beside; a logit sums the evidence of a sliding window, which keeps a long harmless
 * reply harmless. An exchange's logit adds the ask's largest window to the reply's own: a reply is judged with what it
 * answers (Constitutional Classifiers++, 2026), however the ask is padded.
 */
import { FiducialError, show } from '../../core/errors.ts';
import { type FeatureKind, featureKinds, wordPattern, wordReader, wordsOf } from './word-features.ts';

export interface TextClassifier {
  /** What it was trained to judge: an ask by itself, or a reply with the ask that it answers. */
  readonly judges: 'ask' | 'exchange';
  readonly features: FeatureKind;
  /** There are 2^bits weights. */
  readonly bits: number;
  /** Words of the sliding window. */
  readonly window: number;
  readonly bias: number;
  readonly weights: Float32Array;
}

/** A text as it is scored, from its beginning: of an ask, or of the reply to one. */
export interface ScoreStream {
  /**
   * Reads whole words; a word must not be split over two calls.
   *
   * @returns the logit after each of them, and where each ends in `text` (UTF-16 units)
   */
  read(text: string): readonly { readonly logit: number; readonly start: number; readonly end: number }[];
  /** The largest logit so far; undefined before the first word. */
  readonly score: number | undefined;
  /** Multiplications and additions so far. */
  readonly operations: number;
}

/**
 * Scores an ask (`judges: 'ask'`), or the reply to `ask` (`judges: 'exchange'`).
 *
 * @example const stream = scoreStream(classifier, 'How is it made?'); stream.read('Take some ...'); stream.score
 */
export function scoreStream(classifier: TextClassifier, ask?: string): ScoreStream {
  const { judges, bias } = classifier;
  let operations = 0;
  let base = bias;
  if (judges === 'exchange') {
    const asked = windowReader(classifier, 'ask');
    const sums = wordsOf(ask ?? '').map((word) => asked.next(word));
    // Full windows only: a shorter one would be the larger for what it leaves out.
    if (sums.length > 0) base += Math.max(...sums.slice(Math.min(classifier.window, sums.length) - 1));
    operations += asked.operations;
  }
  const own = windowReader(classifier, judges === 'ask' ? 'ask' : 'reply');
  let score: number | undefined;
  return {
    read(text) {
      return [...text.matchAll(wordPattern)].map((match) => {
        const logit = base + own.next(match[0]);
        score = Math.max(score ?? -Infinity, logit);
        return { logit, start: match.index, end: match.index + match[0].length };
      });
    },
    get score() {
      return score;
    },
    get operations() {
      return operations + own.operations;
    },
  };
}

/** The score of a whole ask, or of a whole reply with its ask; -Infinity for a text without words. */
export function scoreOf(classifier: TextClassifier, text: string, ask?: string): number {
  const stream = scoreStream(classifier, ask);
  stream.read(text);
  return stream.score ?? -Infinity;
}

/** Sums of the weights of the features of the last `window` words. */
function windowReader({ features, bits, window, weights }: TextClassifier, channel: 'ask' | 'reply') {
  const reader = wordReader(features, bits, channel);
  const last: number[] = [];
  let operations = 0;
  return {
    next(word: string): number {
      const { index, value } = reader.next(word);
      let evidence = 0;
      for (let i = 0; i < index.length; i++) evidence += weights[index[i]!]! * value[i]!;
      operations += 2 * index.length;
      last.push(evidence);
      if (last.length > window) last.shift();
      // Summed anew: a running sum would keep the rounding of every word that ever passed.
      return last.reduce((sum, each) => sum + each, 0);
    },
    get operations() {
      return operations;
    },
  };
}

/** A classifier as JSON: the weights that are not 0, as base64 of their indices and float32 values. */
export interface StoredTextClassifier {
  readonly judges: 'ask' | 'exchange';
  readonly features: FeatureKind;
  readonly bits: number;
  readonly window: number;
  readonly bias: number;
  readonly indices: string;
  readonly values: string;
}

export function storeTextClassifier(classifier: TextClassifier): StoredTextClassifier {
  const { weights, ...rest } = classifier;
  const indices = Uint32Array.from([...weights.keys()].filter((i) => weights[i] !== 0));
  return {
    ...rest,
    indices: base64Of(indices),
    values: base64Of(Float32Array.from(indices, (i) => weights[i]!)),
  };
}

/** @throws FiducialError `classifier.unreadable` for anything that {@link storeTextClassifier} would not write */
export function openTextClassifier(stored: StoredTextClassifier): TextClassifier {
  const { judges, features, bits, window, bias } = stored;
  const indices = new Uint32Array(bytesOf(stored.indices));
  const values = new Float32Array(bytesOf(stored.values));
  const isSound =
    (judges === 'ask' || judges === 'exchange') &&
    featureKinds.includes(features) &&
    Number.isInteger(bits) &&
    bits >= 1 &&
    bits <= 24 &&
    Number.isInteger(window) &&
    window >= 1 &&
    Number.isFinite(bias) &&
    indices.length === values.length &&
    indices.every((i) => i < 2 ** bits) &&
    values.every((value) => Number.isFinite(value));
  if (!isSound) {
    throw new FiducialError(
      'classifier.unreadable',
      `This is no stored text classifier: ${show({ judges, features, bits, window, bias })}`,
      'Open what guard/constitutional-classifier or guard/cascade kept.',
    );
  }
  const weights = new Float32Array(2 ** bits);
  indices.forEach((at, i) => (weights[at] = values[i]!));
  return { judges, features, bits, window, bias, weights };
}

export function base64Of(numbers: Uint32Array | Float32Array): string {
  return Buffer.from(numbers.buffer, numbers.byteOffset, numbers.byteLength).toString('base64');
}

/** The bytes of a base64 text, in a buffer of their own, cut to whole numbers of 4 bytes. */
export function bytesOf(text: unknown): ArrayBuffer {
  const bytes = Buffer.from(typeof text === 'string' ? text : '', 'base64');
  return Uint8Array.from(bytes).buffer.slice(0, bytes.length - (bytes.length % 4));
}
