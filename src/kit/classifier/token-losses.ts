/**
 * Losses over a stream's running scores, for classifiers that must speak as early as they can and no earlier.
 *
 * `runningMaximumLoss`: Constitutional Classifiers (Sharma et al. 2025, arXiv 2501.18837): at every token, whether the
 * exchange is harmful; what is scored moves in training from the token's own probability to the running maximum.
 * `softmaxWeightedLoss`: Constitutional Classifiers++ (2026, arXiv 2601.04603, its equations 2 to 4 as re-implemented):
 * means over a sliding window, each position's loss weighted by the softmax of the logits. Both give the loss and its
 * exact derivative by logit; the value is in nats.
 */
import { FiducialError, show } from '../../core/errors.ts';

export interface LossAndGradient {
  readonly loss: number;
  /** By logit, in the order of the logits. */
  readonly gradient: Float64Array;
}

/**
 * Mean over tokens of the cross entropy of q_t = (1 - blend) p_t + blend max_{s <= t} p_s, where p = sigmoid(logit).
 *
 * @param label 1 for a harmful exchange, 0 for another
 * @param blend from 0, the token's own probability, to 1, the running maximum
 * @throws FiducialError `classifier.bad-loss` for no logits, or a blend outside [0, 1]
 * @example runningMaximumLoss([0, 2, -1], 1, 0.5).loss // 0.4132
 */
export function runningMaximumLoss(logits: ArrayLike<number>, label: 0 | 1, blend: number): LossAndGradient {
  const n = logits.length;
  if (n === 0) throw badLoss('there are no logits');
  if (!(blend >= 0 && blend <= 1)) throw badLoss(`blend is ${show(blend)}, not from 0 to 1`);
  const gradient = new Float64Array(n);
  let loss = 0;
  let best = 0;
  for (let t = 0; t < n; t++) {
    if (logits[t]! > logits[best]!) best = t;
    const [own, top] = [sigmoid(logits[t]!), sigmoid(logits[best]!)];
    // The rest of q is summed from the rests of p: 1 - q would lose what is left beside a probability near 1.
    const q = (1 - blend) * own + blend * top;
    const rest = (1 - blend) * sigmoid(-logits[t]!) + blend * sigmoid(-logits[best]!);
    loss -= Math.log(Math.max(label === 1 ? q : rest, tiny)) / n;
    const byQ = (label === 1 ? -1 / Math.max(q, tiny) : 1 / Math.max(rest, tiny)) / n;
    gradient[t]! += byQ * (1 - blend) * own * sigmoid(-logits[t]!);
    gradient[best]! += byQ * blend * top * sigmoid(-logits[best]!);
  }
  return { loss, gradient };
}

export interface SoftmaxLossOptions {
  /** Window of the mean, in tokens. @default 16 */
  readonly window?: number;
  /** Temperature of the weights: towards 0 only the largest counts, towards infinity all alike. @default 1 */
  readonly temperature?: number;
}

/**
 * Sum over positions of softmax(zbar / temperature)_t times the cross entropy of zbar_t, zbar being the mean of the
 * last `window` logits at the positions that have as many; a shorter stream has one position, the mean of all.
 *
 * @throws FiducialError `classifier.bad-loss` for no logits, no window, or a temperature that is not above 0
 * @example softmaxWeightedLoss(new Array(24).fill(1.3), 1).loss // 0.2410
 */
export function softmaxWeightedLoss(
  logits: ArrayLike<number>,
  label: 0 | 1,
  { window = 16, temperature = 1 }: SoftmaxLossOptions = {},
): LossAndGradient {
  if (logits.length === 0) throw badLoss('there are no logits');
  if (!Number.isInteger(window) || window < 1) throw badLoss(`the window is ${show(window)}`);
  if (!(temperature > 0)) throw badLoss(`the temperature is ${show(temperature)}`);
  const width = Math.min(window, logits.length);
  const means = windowMeans(logits, width);
  const highest = Math.max(...means);
  const raw = Array.from(means, (mean) => Math.exp((mean - highest) / temperature));
  const total = raw.reduce((sum, each) => sum + each, 0);
  const weights = raw.map((each) => each / total);
  // Cross entropy of a logit: log(1 + e^-z) for a harmful one, log(1 + e^z) for another.
  const losses = Array.from(means, (mean) => softplus(label === 1 ? -mean : mean));
  const loss = losses.reduce((sum, each, t) => sum + weights[t]! * each, 0);
  const gradient = new Float64Array(logits.length);
  means.forEach((mean, t) => {
    const byMean = weights[t]! * (sigmoid(mean) - label + (losses[t]! - loss) / temperature);
    for (let i = t; i < t + width; i++) gradient[i]! += byMean / width;
  });
  return { loss, gradient };
}

/** Means of every `width` neighbours, the first at positions 0 to width - 1. */
export function windowMeans(values: ArrayLike<number>, width: number): Float64Array {
  const means = new Float64Array(values.length - width + 1);
  for (let t = 0; t < means.length; t++) {
    let sum = 0;
    for (let i = t; i < t + width; i++) sum += values[i]!;
    means[t] = sum / width;
  }
  return means;
}

/** 1 / (1 + e^-x), without overflow. */
export function sigmoid(x: number): number {
  if (x >= 0) return 1 / (1 + Math.exp(-x));
  const e = Math.exp(x);
  return e / (1 + e);
}

function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

function badLoss(what: string): FiducialError {
  return new FiducialError(
    'classifier.bad-loss',
    `A token loss: ${what}`,
    'Pass the logits of one text of some words.',
  );
}

/** Below this a probability is taken as this: its logarithm stays finite. */
const tiny = 1e-300;
