/**
 * What a trainer learns from: texts as tokens with a weight of the loss at each, and sources of them, which give the
 * text at an index. Random access is what makes resuming exact and free: a source holds no place of its own.
 */
import { FiducialError, show } from '../../core/errors.ts';
import type { Random } from '../../core/random.ts';

/** One text. */
export interface TrainingText {
  /** Token ids, from the beginning of the text. */
  readonly ids: ArrayLike<number>;
  /**
   * How much the loss of predicting each token counts; every token 1 where absent. The first token of a text is never
   * predicted, whatever its weight.
   */
  readonly weights?: ArrayLike<number>;
}

/** Texts by index: the same index gives the same text, always. */
export interface TextSource {
  /** Texts in one pass over the data; undefined for a source without end. */
  readonly length?: number;
  text(index: number): TrainingText | Promise<TrainingText>;
}

/**
 * A source over given texts, in a fresh order each pass, drawn from the seed: index `length` begins the second pass.
 *
 * @throws FiducialError `train.empty` without texts
 */
export function shuffledSource(texts: readonly TrainingText[], random: Random): TextSource {
  if (texts.length === 0) throw new FiducialError('train.empty', 'there are no texts to train on', 'Give one or more.');
  const orders = new Map<number, readonly number[]>();
  return {
    length: texts.length,
    text(index) {
      const pass = Math.floor(index / texts.length);
      let order = orders.get(pass);
      if (order === undefined) {
        order = random.split(pass).shuffle(texts.map((_, i) => i));
        orders.delete(pass - 2);
        orders.set(pass, order);
      }
      return texts[order[index % texts.length]!]!;
    },
  };
}

/**
 * A source over anything that can be iterated from its beginning, which must give the same texts every time. A text
 * that lies behind, as after a resume, is found by iterating again.
 *
 * @throws FiducialError `train.source-ended` when a text past the end is asked for
 * @example iterableSource(() => lines(corpus))
 */
export function iterableSource(begin: () => AsyncIterable<TrainingText> | Iterable<TrainingText>): TextSource {
  // Texts that were held back while packing are asked for again shortly after.
  const recent = new Map<number, TrainingText>();
  let iterator: AsyncIterator<TrainingText> | Iterator<TrainingText> | undefined;
  let next = 0;
  return {
    async text(index) {
      const known = recent.get(index);
      if (known !== undefined) return known;
      if (iterator === undefined || index < next) {
        const iterable = begin();
        iterator = Symbol.asyncIterator in iterable ? iterable[Symbol.asyncIterator]() : iterable[Symbol.iterator]();
        next = 0;
        recent.clear();
      }
      for (;;) {
        const result = await iterator.next();
        if (result.done === true) {
          throw new FiducialError(
            'train.source-ended',
            `the source ended after ${next} texts, and text ${index + 1} was asked for`,
            'Train for fewer steps, or give a source without end.',
          );
        }
        recent.set(next, result.value);
        recent.delete(next - RECENT_TEXTS);
        if (next++ === index) return result.value;
      }
    },
  };
}

const RECENT_TEXTS = 4096;

/**
 * A text that fits into `time` predicted tokens.
 *
 * @throws FiducialError `train.too-long` for a longer one, unless it may be cut; `train.bad-text` for one that cannot be
 */
export function fittingText(text: TrainingText, time: number, mayCut: boolean, vocabulary: number): TrainingText {
  const { ids, weights } = text;
  if (ids.length < 2 || (weights !== undefined && weights.length !== ids.length)) {
    throw new FiducialError(
      'train.bad-text',
      `a text has ${ids.length} tokens and ${weights?.length ?? ids.length} weights`,
      'Give two tokens or more, and a weight each.',
    );
  }
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!;
    if (Number.isInteger(id) && id >= 0 && id < vocabulary) continue;
    throw new FiducialError(
      'train.bad-text',
      `token ${i} of a text is ${show(id)}, and the vocabulary has ${vocabulary}`,
      "Use the model's own tokenizer.",
    );
  }
  if (ids.length - 1 <= time) return text;
  if (!mayCut) {
    throw new FiducialError(
      'train.too-long',
      `a text has ${ids.length} tokens, and a row holds ${time + 1}`,
      'Make rows longer (time), or allow long texts to be cut.',
    );
  }
  const head = (list: ArrayLike<number>): number[] => Array.from({ length: time + 1 }, (_, i) => list[i]!);
  return { ids: head(ids), ...(weights === undefined ? {} : { weights: head(weights) }) };
}
