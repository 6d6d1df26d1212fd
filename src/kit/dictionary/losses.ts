/**
 * The training losses of sparse dictionaries, traced: one function over one batch of scaled data.
 *
 * Sources: Bricken et al. 2023 (L1); Gao et al. 2024, arXiv 2406.04093, and openai/sparse_autoencoder (TopK, auxiliary
 * loss); Bussmann et al. 2024, arXiv 2412.06410 (BatchTopK) and 2025, arXiv 2503.17547 (Matryoshka); Rajamanoharan et
 * al. 2024, arXiv 2407.14435 (JumpReLU). The auxiliary reconstruction has no bias, its target is held constant, and its
 * gradient reaches the encoder: peers got the first and the last wrong. The window of JumpReLU's estimator is taken
 * around the value before the jump; a peer takes the value after it and so loses the window's lower half.
 */
import {
  abs,
  add,
  broadcastTo,
  cast,
  customDerivative,
  div,
  exp,
  greater,
  greaterOrEqual,
  less,
  matmul,
  max,
  maximum,
  mean,
  min,
  mul,
  narrow,
  norm,
  relu,
  reshape,
  square,
  stopGradient,
  sub,
  sum,
  type Tensor,
  topK,
  where,
  zerosLike,
} from '../../engine/index.ts';
import { type Dictionary, type DictionaryParameters, keepLargest, preActivations } from './dictionary.ts';

/** What of a dictionary a loss depends on, besides its arrays. */
export type TrainedShape = Pick<Dictionary, 'form' | 'width' | 'latents' | 'k' | 'nested'>;

export interface LossSettings {
  /** Factor on the sparsity term of `l1` (beside the summed squared error) and `jumprelu` (beside it over the width). */
  readonly sparsity: number;
  /** `jumprelu`: aim at this many codes, (L0 / target - 1)^2, instead of punishing each one. */
  readonly targetL0: number | undefined;
  /** Width of JumpReLU's window, for scaled data. */
  readonly bandwidth: number;
  /** Factor on the auxiliary loss of the TopK family. */
  readonly auxiliary: number;
  /** Dead latents that take part in it; half the width unless told. */
  readonly auxiliaryK: number | undefined;
}

export interface LossParts {
  readonly loss: Tensor;
  readonly aux: {
    /** Mean squared error, summed over the width. */
    readonly error: Tensor;
    /** Share of the variance that is not explained. */
    readonly unexplained: Tensor;
    /** Mean number of codes that are not zero. */
    readonly l0: Tensor;
    /** Whether each latent was used in this batch, 0 or 1, [latents]. */
    readonly used: Tensor;
    /** The least code that was kept. */
    readonly least: Tensor;
  };
}

/**
 * The loss of one batch.
 *
 * @param x scaled data [batch, width]
 * @param dead 1 for latents that count as dead, 0 for others [latents]; undefined leaves the auxiliary loss out
 * @param warmth factor on the sparsity term while it is warmed up
 */
export function dictionaryLoss(
  dictionary: TrainedShape,
  settings: LossSettings,
  p: DictionaryParameters,
  x: Tensor,
  dead: Tensor | undefined,
  warmth: Tensor | number,
): LossParts {
  const { form, width, latents } = dictionary;
  const batch = x.shape[0]!;
  const pre = preActivations(p, x); // [batch, latents]
  const codes = trainingCodes(dictionary, settings, p, pre);
  const rebuilt = add(matmul(codes, p.decoder), p.decoderBias); // [batch, width]
  const spread = mean(sum(square(sub(x, mean(x, { axes: 0, keepDims: true }))), { axes: 1 }));
  const errorOf = (guess: Tensor): Tensor => mean(sum(square(sub(x, guess)), { axes: 1 }));
  const error = errorOf(rebuilt);
  const unexplained = div(error, spread);
  const isOn = greater(codes, 0);
  const aux = {
    error,
    unexplained,
    l0: div(sum(cast(isOn, 'float32')), batch),
    used: max(cast(isOn, 'float32'), { axes: 0 }),
    least: min(where(isOn, codes, broadcastTo(max(codes), codes.shape))),
  };
  if (form === 'l1') {
    const lengths = norm(p.decoder, { axes: 1 }); // [latents]
    const penalty = mean(sum(mul(codes, lengths), { axes: 1 }));
    return { loss: add(error, mul(penalty, mul(asTensor(warmth, penalty), settings.sparsity))), aux };
  }
  if (form === 'jumprelu') {
    const count = div(sum(countStep(pre, exp(p.logThreshold), settings.bandwidth)), batch);
    const { targetL0 } = settings;
    const penalty = targetL0 === undefined ? count : square(sub(div(count, targetL0), 1));
    // Over the width, so that factors are those of the paper, whose data has the mean squared length 1.
    return { loss: add(div(error, width), mul(penalty, mul(asTensor(warmth, penalty), settings.sparsity))), aux };
  }
  let loss = form === 'matryoshka' ? div(nestedError(dictionary, p, x, codes, errorOf), spread) : unexplained;
  if (dead !== undefined && settings.auxiliary > 0) {
    const auxiliaryK = Math.min(settings.auxiliaryK ?? Math.max(1, Math.floor(width / 2)), latents);
    loss = add(loss, mul(auxiliaryLoss(p, pre, sub(x, rebuilt), dead, auxiliaryK), settings.auxiliary));
  }
  return { loss, aux };
}

const asTensor = (value: Tensor | number, like: Tensor): Tensor =>
  typeof value === 'number' ? add(zerosLike(like), value) : value;

function trainingCodes(
  { form, k }: TrainedShape,
  { bandwidth }: LossSettings,
  p: DictionaryParameters,
  pre: Tensor,
): Tensor {
  switch (form) {
    case 'l1':
      return relu(pre);
    case 'jumprelu':
      return jumpRelu(pre, exp(p.logThreshold), bandwidth);
    case 'topk':
      return keepLargest(pre, k);
    default:
      return keepLargestOfBatch(pre, k);
  }
}

/** The batch * k largest codes of the whole batch. Traced. */
export function keepLargestOfBatch(pre: Tensor, k: number): Tensor {
  const positive = relu(pre);
  const flat = reshape(stopGradient(positive), [pre.size]);
  const { values } = topK(flat, Math.min(pre.size, k * pre.shape[0]!));
  const least = narrow(values, 0, values.size - 1, values.size); // [1]
  return mul(positive, cast(greaterOrEqual(positive, maximum(least, Number.MIN_VALUE)), 'float32'));
}

/**
 * What the dead latents with the largest answers make of the residual, over the residual's variance; 0 where that is
 * not a number. Traced.
 *
 * @param residual [batch, width]: no gradient goes through it
 */
export function auxiliaryLoss(p: DictionaryParameters, pre: Tensor, residual: Tensor, dead: Tensor, k: number): Tensor {
  const target = stopGradient(residual);
  const answers = where(broadcastTo(greater(dead, 0), pre.shape), pre, add(zerosLike(pre), -1));
  const guess = matmul(keepLargest(answers, k), p.decoder); // without the centre
  const wrong = mean(sum(square(sub(target, guess)), { axes: 1 }));
  const spread = mean(sum(square(sub(target, mean(target, { axes: 0, keepDims: true }))), { axes: 1 }));
  const ratio = div(wrong, maximum(spread, 1e-12));
  return where(greater(spread, 1e-12), ratio, zerosLike(ratio));
}

/** The mean over the nested dictionaries of their errors. Traced. */
function nestedError(
  { nested }: TrainedShape,
  p: DictionaryParameters,
  x: Tensor,
  codes: Tensor,
  errorOf: (guess: Tensor) => Tensor,
): Tensor {
  let guess = broadcastTo(p.decoderBias, x.shape);
  let total: Tensor | undefined;
  nested.forEach((size, i) => {
    const from = i === 0 ? 0 : nested[i - 1]!;
    guess = add(guess, matmul(narrow(codes, 1, from, size), narrow(p.decoder, 0, from, size)));
    total = total === undefined ? errorOf(guess) : add(total, errorOf(guess));
  });
  return div(total!, nested.length);
}

/** pre where it exceeds its threshold, else 0, with the estimator's derivative by the threshold. Traced. */
export function jumpRelu(pre: Tensor, threshold: Tensor, bandwidth: number): Tensor {
  const wide = broadcastTo(threshold, pre.shape);
  return customDerivative(
    (z, at) => mul(z, cast(greater(z, at), 'float32')),
    ([z, at], _, g) => [
      mul(g, cast(greater(z!, at!), 'float32')),
      mul(g, mul(inWindow(z!, at!, bandwidth), div(at!, -bandwidth))),
    ],
  )(pre, wide);
}

/** 1 where pre exceeds its threshold, else 0, with the estimator's derivative by the threshold. Traced. */
export function countStep(pre: Tensor, threshold: Tensor, bandwidth: number): Tensor {
  const wide = broadcastTo(threshold, pre.shape);
  return customDerivative(
    (z, at) => cast(greater(z, at), 'float32'),
    ([z, at], _, g) => [undefined, mul(g, mul(inWindow(z!, at!, bandwidth), -1 / bandwidth))],
  )(pre, wide);
}

const inWindow = (z: Tensor, at: Tensor, bandwidth: number): Tensor =>
  cast(less(abs(sub(z, at)), bandwidth / 2), 'float32');
