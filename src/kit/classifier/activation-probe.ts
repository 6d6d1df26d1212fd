/**
 * A linear probe on a model's own activations that screens exchanges almost for free.
 *
 * Card B2: Constitutional Classifiers++ (2026, arXiv 2601.04603): the residual streams of all layers concatenated at
 * each token, one linear logit, trained under the softmax-weighted loss over means of a sliding window of 16 tokens
 * (token-losses.ts); in use an exponential average with factor 2 / (window + 1), whose running maximum is the score.
 * Departs from it in that channels are standardised over the training tokens, and those that hardly vary are left out:
 * a few huge channels would decide the norm. Adam, one text at a time, deterministic by the randomness passed in.
 */
import { FiducialError, show } from '../../core/errors.ts';
import type { Random } from '../../core/random.ts';
import { softmaxWeightedLoss } from './token-losses.ts';

export interface ActivationProbe {
  /** Sites whose values are concatenated, for example `blocks.0.resid_post`. */
  readonly sites: readonly string[];
  /** Tokens of the sliding window. */
  readonly window: number;
  readonly bias: number;
  /** [channels], for activations as they come: standardising is folded in. */
  readonly weights: Float32Array;
}

/** One text's activations. */
export interface ProbeText {
  /** [tokens, channels], row by row. */
  readonly activations: Float32Array;
  readonly label: 0 | 1;
}

export interface ProbeTraining {
  readonly window: number;
  readonly epochs: number;
  readonly rate: number;
  readonly l2: number;
}

export const probeTraining: ProbeTraining = { window: 16, epochs: 15, rate: 0.01, l2: 1e-3 };

/**
 * @param channels how many values a token has
 * @throws FiducialError `classifier.bad-activations` for activations that are not whole tokens of finite values
 * @example trainProbe([{ activations, label: 1 }, ...], 512, ['blocks.3.resid_post'], probeTraining, random(1))
 */
export function trainProbe(
  texts: readonly ProbeText[],
  channels: number,
  sites: readonly string[],
  { window, epochs, rate, l2 }: ProbeTraining,
  random: Random,
): ActivationProbe {
  const { mean, deviation } = spread(texts, channels);
  const weights = new Float64Array(channels);
  const [first, second] = [new Float64Array(channels + 1), new Float64Array(channels + 1)];
  const positives = texts.filter(({ label }) => label === 1).length;
  const share = [
    texts.length / (2 * Math.max(1, texts.length - positives)),
    texts.length / (2 * Math.max(1, positives)),
  ];
  let bias = 0;
  let steps = 0;

  const gradient = new Float64Array(channels + 1);
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (const { activations, label } of random.split(`epoch ${epoch}`).shuffle(texts)) {
      const tokens = activations.length / channels;
      const logits = Float64Array.from({ length: tokens }, (_, t) => {
        let sum = bias;
        for (let c = 0; c < channels; c++) {
          const scale = deviation[c]!;
          if (scale > 0) sum += (weights[c]! * (activations[t * channels + c]! - mean[c]!)) / scale;
        }
        return sum;
      });
      const byLogit = softmaxWeightedLoss(logits, label, { window }).gradient;
      for (let c = 0; c < channels; c++) {
        const scale = deviation[c]!;
        let sum = 0;
        if (scale > 0) {
          for (let t = 0; t < tokens; t++) sum += byLogit[t]! * (activations[t * channels + c]! - mean[c]!);
          sum /= scale;
        }
        gradient[c] = share[label]! * sum + l2 * weights[c]!;
      }
      gradient[channels] = share[label]! * byLogit.reduce((sum, each) => sum + each, 0);
      steps++;
      for (let i = 0; i <= channels; i++) {
        first[i] = 0.9 * first[i]! + 0.1 * gradient[i]!;
        second[i] = 0.999 * second[i]! + 0.001 * gradient[i]! ** 2;
        const step = (rate * (first[i]! / (1 - 0.9 ** steps))) / (Math.sqrt(second[i]! / (1 - 0.999 ** steps)) + 1e-8);
        if (i === channels) bias -= step;
        else weights[i]! -= step;
      }
    }
  }

  // Standardising is folded into weights and bias, so that the probe reads activations as they come.
  const folded = Float32Array.from(weights, (weight, c) => (deviation[c]! > 0 ? weight / deviation[c]! : 0));
  for (let c = 0; c < channels; c++) bias -= folded[c]! * mean[c]!;
  return { sites, window, bias, weights: folded };
}

/**
 * The score after each token: the largest exponential average of the logits since the window was full. Until then it is
 * their plain average, and no maximum: the first few tokens' noise would be every text's largest.
 *
 * @param activations [tokens, channels]
 */
export function probeScores(probe: ActivationProbe, activations: Float32Array): Float64Array {
  const { weights, bias, window } = probe;
  const channels = weights.length;
  let average = 0;
  let highest = -Infinity;
  return Float64Array.from({ length: activations.length / channels }, (_, t) => {
    let logit = bias;
    for (let c = 0; c < channels; c++) logit += weights[c]! * activations[t * channels + c]!;
    average += Math.max(2 / (window + 1), 1 / (t + 1)) * (logit - average);
    if (t + 1 < window) return average;
    highest = Math.max(highest, average);
    return highest;
  });
}

/** Mean and standard deviation of each channel; a channel that hardly varies beside its size counts as constant, 0. */
function spread(texts: readonly ProbeText[], channels: number): { mean: Float64Array; deviation: Float64Array } {
  const mean = new Float64Array(channels);
  const squares = new Float64Array(channels);
  let tokens = 0;
  for (const { activations } of texts) {
    if (activations.length === 0 || activations.length % channels !== 0) {
      throw badActivations(`${activations.length} values for ${channels} channels`);
    }
    for (let at = 0; at < activations.length; at += channels) {
      tokens++;
      for (let c = 0; c < channels; c++) {
        const value = activations[at + c]!;
        if (!Number.isFinite(value)) throw badActivations(`the value ${show(value)}`);
        // Welford: huge channels with a small spread lose it in a sum of squares.
        const off = value - mean[c]!;
        mean[c]! += off / tokens;
        squares[c]! += off * (value - mean[c]!);
      }
    }
  }
  const deviation = squares.map((sum, c) => {
    const own = Math.sqrt(sum / Math.max(1, tokens));
    return own > 1e-6 * (1 + Math.abs(mean[c]!)) ? own : 0;
  });
  return { mean, deviation };
}

function badActivations(what: string): FiducialError {
  return new FiducialError(
    'classifier.bad-activations',
    `A probe cannot read ${what}`,
    'Pass finite values of whole tokens, one text with at least one.',
  );
}
