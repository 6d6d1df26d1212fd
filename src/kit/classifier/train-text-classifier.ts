/**
 * Training of the text classifier: the running-maximum loss at every word, by AdaGrad, one text at a time.
 *
 * Sources: the loss is Sharma et al. 2025 (token-losses.ts), its blend rising from 0 in the first epoch to 1 in the last
 * (the paper names the ingredients; a straight line is this project's choice). AdaGrad (Duchi et al. 2011) suits rare
 * features: each has a step size of its own. Both classes weigh alike whatever their counts; L2 pulls only at features
 * that a text has. Deterministic: the order comes from the randomness that is passed in.
 */
import type { Random } from '../../core/random.ts';
import type { TextClassifier } from './text-classifier.ts';
import { runningMaximumLoss } from './token-losses.ts';
import { type FeatureKind, type WordFeatures, wordReader, wordsOf } from './word-features.ts';

export interface LabelledText {
  readonly ask: string;
  /** Absent where only the ask is judged. */
  readonly reply?: string | undefined;
  /** 1 where the guard should act. */
  readonly label: 0 | 1;
}

export interface TextTraining {
  readonly judges: 'ask' | 'exchange';
  readonly features: FeatureKind;
  readonly bits: number;
  readonly window: number;
  readonly epochs: number;
  readonly rate: number;
  readonly l2: number;
}

export const textTraining = { bits: 16, window: 32, epochs: 12, rate: 0.2, l2: 1e-4 } as const;

/** A classifier in training; `squares` is what AdaGrad divides by, the bias last. */
export interface TrainingState {
  readonly weights: Float32Array;
  readonly squares: Float32Array;
  bias: number;
}

interface Prepared {
  readonly ask: readonly WordFeatures[];
  readonly own: readonly WordFeatures[];
  readonly label: 0 | 1;
}

/** Texts as features, read once for all epochs. Texts without a word to judge are left out. */
export function prepareTexts(texts: readonly LabelledText[], settings: TextTraining): readonly Prepared[] {
  const { judges, features, bits } = settings;
  const featuresOf = (text: string, channel: string): WordFeatures[] => {
    const reader = wordReader(features, bits, channel);
    return wordsOf(text).map((word) => reader.next(word));
  };
  return texts
    .map(({ ask, reply, label }) => ({
      ask: judges === 'exchange' ? featuresOf(ask, 'ask') : [],
      own: judges === 'exchange' ? featuresOf(reply ?? '', 'reply') : featuresOf(ask, 'ask'),
      label,
    }))
    .filter(({ own }) => own.length > 0);
}

export function startTraining({ bits }: Pick<TextTraining, 'bits'>): TrainingState {
  return { weights: new Float32Array(2 ** bits), squares: new Float32Array(2 ** bits + 1), bias: 0 };
}

/**
 * One pass over the texts. Changes `state`.
 *
 * @param epoch from 0
 * @returns the mean loss in nats, as it was met on the way
 */
export function trainEpoch(
  state: TrainingState,
  texts: readonly Prepared[],
  settings: TextTraining,
  epoch: number,
  random: Random,
): number {
  const { window, epochs, rate, l2 } = settings;
  const blend = epochs === 1 ? 1 : epoch / (epochs - 1);
  const positives = texts.filter(({ label }) => label === 1).length;
  const share = {
    1: texts.length / (2 * Math.max(1, positives)),
    0: texts.length / (2 * Math.max(1, texts.length - positives)),
  };
  const { weights, squares } = state;
  const step = (at: number, by: number): number => {
    squares[at]! += by * by;
    return (rate * by) / Math.sqrt(squares[at]! + 1e-8);
  };
  const touch = ({ index, value }: WordFeatures, by: number): void => {
    if (by === 0) return;
    for (let i = 0; i < index.length; i++) {
      const at = index[i]!;
      weights[at]! -= step(at, by * value[i]! + l2 * weights[at]!);
    }
  };

  let total = 0;
  for (const { ask, own, label } of random.split(`epoch ${epoch}`).shuffle(texts)) {
    const asked = windowSums(evidenceOf(ask, weights), window);
    // Full windows only, as in scoring.
    const from = Math.min(window, asked.length) - 1;
    const top = asked.length === 0 ? -1 : asked.indexOf(Math.max(...asked.subarray(from)), from);
    const base = state.bias + (top === -1 ? 0 : asked[top]!);
    const logits = windowSums(evidenceOf(own, weights), window).map((sum) => base + sum);
    const { loss, gradient } = runningMaximumLoss(logits, label, blend);
    total += loss;

    const scale = share[label];
    // A word's evidence is in its own logit and those of the window after it.
    let inWindow = 0;
    for (let t = own.length - 1; t >= 0; t--) {
      inWindow += gradient[t]!;
      if (t + window < own.length) inWindow -= gradient[t + window]!;
      touch(own[t]!, scale * inWindow);
    }
    const all = scale * gradient.reduce((sum, each) => sum + each, 0);
    for (let t = Math.max(0, top - window + 1); t <= top; t++) touch(ask[t]!, all);
    state.bias -= step(squares.length - 1, all);
  }
  return total / Math.max(1, texts.length);
}

/** The classifier as far as it was trained. */
export function trainedClassifier(state: TrainingState, settings: TextTraining): TextClassifier {
  const { judges, features, bits, window } = settings;
  return { judges, features, bits, window, bias: state.bias, weights: state.weights };
}

/** All epochs at once, where nothing has to be resumed. */
export function trainTextClassifier(
  texts: readonly LabelledText[],
  settings: TextTraining,
  random: Random,
): TextClassifier {
  const state = startTraining(settings);
  const prepared = prepareTexts(texts, settings);
  for (let epoch = 0; epoch < settings.epochs; epoch++) trainEpoch(state, prepared, settings, epoch, random);
  return trainedClassifier(state, settings);
}

/** State as bytes, for checkpoints: the bias, the weights, AdaGrad's squares. */
export function saveTraining({ weights, squares, bias }: TrainingState): Uint8Array {
  const bytes = new Uint8Array(8 + weights.byteLength + squares.byteLength);
  new DataView(bytes.buffer).setFloat64(0, bias, true);
  bytes.set(new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength), 8);
  bytes.set(new Uint8Array(squares.buffer, squares.byteOffset, squares.byteLength), 8 + weights.byteLength);
  return bytes;
}

export function loadTraining(bytes: Uint8Array, { bits }: Pick<TextTraining, 'bits'>): TrainingState {
  const own = Uint8Array.from(bytes).buffer;
  return {
    bias: new DataView(own).getFloat64(0, true),
    weights: new Float32Array(own.slice(8, 8 + 4 * 2 ** bits)),
    squares: new Float32Array(own.slice(8 + 4 * 2 ** bits)),
  };
}

function evidenceOf(words: readonly WordFeatures[], weights: Float32Array): Float64Array {
  return Float64Array.from(words, ({ index, value }) => {
    let sum = 0;
    for (let i = 0; i < index.length; i++) sum += weights[index[i]!]! * value[i]!;
    return sum;
  });
}

/** The sum of each value with the `window - 1` before it, as far as there are any. */
function windowSums(values: Float64Array, window: number): Float64Array {
  return values.map((_, t) => {
    let sum = 0;
    for (let i = Math.max(0, t - window + 1); i <= t; i++) sum += values[i]!;
    return sum;
  });
}
