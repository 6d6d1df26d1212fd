/**
 * A sparse dictionary over activations: its parameters, how they begin, how it encodes, and how it is kept.
 *
 * x [batch, width] is described by codes f [batch, latents], few of them not zero, and rebuilt as f @ decoder + centre.
 * Conventions as in saprmarks/dictionary_learning: a latent is a row of `encoder` and of `decoder`; the encoder starts
 * as the decoder, whose rows have length 1; the centre starts at the data's geometric median. Data is divided by
 * `scale` first, so that the mean squared distance from the centre is the width. Kept as a safetensors file.
 */
import { FiducialError, show } from '../../core/errors.ts';
import type { Random } from '../../core/random.ts';
import {
  add,
  cast,
  compile,
  type Compiled,
  exp,
  fromData,
  greater,
  greaterOrEqual,
  matmul,
  mul,
  relu,
  scatterAddAlongAxis,
  sub,
  type Tensor,
  topK,
  zerosLike,
} from '../../engine/index.ts';
import { readSafetensorsBytes, safetensorsBytes } from '../../network/checkpoint/index.ts';

/** How codes are made sparse. */
export const dictionaryForms = ['topk', 'batch-topk', 'matryoshka', 'jumprelu', 'l1'] as const;
export type DictionaryForm = (typeof dictionaryForms)[number];

/** Float32 arrays. The threshold is kept as its logarithm, so that training cannot make it negative. */
export interface DictionaryParameters {
  readonly [name: string]: Tensor;
  /** [latents, width] */
  readonly encoder: Tensor;
  /** [latents] */
  readonly encoderBias: Tensor;
  /** [latents, width] */
  readonly decoder: Tensor;
  /** The centre, [width]. */
  readonly decoderBias: Tensor;
  /** Log of each latent's threshold, [latents]; only `jumprelu` learns it. */
  readonly logThreshold: Tensor;
}

export interface Dictionary {
  readonly form: DictionaryForm;
  readonly width: number;
  readonly latents: number;
  /** Codes that are not zero: for each text position (`topk`), or on average over a batch. */
  readonly k: number;
  /** What data is divided by. */
  readonly scale: number;
  /** The least code that counts outside training, for `batch-topk` and `matryoshka`. */
  readonly threshold: number;
  /** Sizes of the nested dictionaries, ascending, the last one `latents`. */
  readonly nested: readonly number[];
  readonly parameters: DictionaryParameters;
}

/** The start of training for scaled data with this centre. */
export function initialDictionary(
  shape: Omit<Dictionary, 'parameters' | 'threshold'>,
  centre: Float32Array,
  random: Random,
  firstThreshold = 1e-3,
): Dictionary {
  const { latents, width } = shape;
  const rows = random.split('decoder').fillNormal(new Float32Array(latents * width));
  for (let i = 0; i < latents; i++) {
    const row = rows.subarray(i * width, (i + 1) * width);
    const length = Math.hypot(...row);
    for (let j = 0; j < width; j++) row[j]! /= length;
  }
  return {
    ...shape,
    threshold: 0,
    parameters: {
      encoder: fromData(rows.slice(), [latents, width], 'float32'),
      encoderBias: fromData(new Float32Array(latents), [latents], 'float32'),
      decoder: fromData(rows, [latents, width], 'float32'),
      decoderBias: fromData(centre.slice(), [width], 'float32'),
      logThreshold: fromData(new Float32Array(latents).fill(Math.log(firstThreshold)), [latents], 'float32'),
    },
  };
}

/**
 * The nested sizes of a Matryoshka dictionary: the groups latents/16, /16, /8, /4, /2 of the authors' run, cumulated.
 * Source: Bussmann et al. 2025, arXiv 2503.17547, main.py.
 */
export function nestedSizes(latents: number): number[] {
  return [...new Set([16, 8, 4, 2, 1].map((part) => Math.max(1, Math.floor(latents / part))))];
}

/** What each latent answers before it is made sparse. Traced. x [batch, width], scaled -> [batch, latents] */
export function preActivations(p: DictionaryParameters, x: Tensor): Tensor {
  return add(matmul(sub(x, p.decoderBias), p.encoder, { transposeB: true }), p.encoderBias);
}

/** Codes outside training. Traced. x [batch, width], scaled -> [batch, latents] */
export function codesOf(
  { form, k, threshold }: Omit<Dictionary, 'parameters'>,
  p: DictionaryParameters,
  x: Tensor,
): Tensor {
  const pre = preActivations(p, x);
  if (form === 'l1') return relu(pre);
  if (form === 'jumprelu') return mul(pre, cast(greater(pre, exp(p.logThreshold)), 'float32'));
  if (form === 'topk') return keepLargest(pre, k);
  const positive = relu(pre);
  return mul(positive, cast(greaterOrEqual(positive, threshold), 'float32'));
}

/** The k largest of each row, negative ones as 0, all others 0. Traced. */
export function keepLargest(pre: Tensor, k: number): Tensor {
  const { values, indices } = topK(pre, k);
  return scatterAddAlongAxis(zerosLike(pre), indices, relu(values), 1);
}

/** What codes stand for. Traced. codes [batch, latents] -> [batch, width], scaled */
export const rebuild = (p: DictionaryParameters, codes: Tensor): Tensor => add(matmul(codes, p.decoder), p.decoderBias);

/** Codes and reconstructions of raw activations. */
export interface Encoded {
  /** [count, latents] */
  readonly codes: Float32Array;
  /** [count, width], in the data's own scale */
  readonly rebuilt: Float32Array;
}

/**
 * A compiled encoder of a dictionary, for activations in their own scale.
 *
 * @example
 * const encode = encoderOf(dictionary);
 * const { codes, rebuilt } = await encode(activations); // Float32Array [count * width]
 */
export function encoderOf(dictionary: Dictionary): (activations: Float32Array) => Promise<Encoded> {
  const { width, scale, parameters } = dictionary;
  const program: Compiled<[DictionaryParameters, Tensor], { codes: Tensor; rebuilt: Tensor }> = compile(
    (p: DictionaryParameters, raw: Tensor) => {
      const codes = codesOf(dictionary, p, mul(raw, 1 / scale));
      return { codes, rebuilt: mul(rebuild(p, codes), scale) };
    },
    { label: 'dictionary encoder' },
  );
  return async (activations) => {
    const count = activations.length / width;
    const { codes, rebuilt } = await program(parameters, fromData(activations, [count, width], 'float32'));
    return { codes: codes.data as Float32Array, rebuilt: rebuilt.data as Float32Array };
  };
}

const ARRAYS = ['encoder', 'encoderBias', 'decoder', 'decoderBias', 'logThreshold'] as const;

/** The dictionary as a safetensors file. `about` is kept beside it: the model, the site. */
export async function saveDictionary(
  dictionary: Dictionary,
  about: Readonly<Record<string, string>> = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const { parameters, ...rest } = dictionary;
  const tensors = ARRAYS.map((name) => {
    const { shape, data } = parameters[name];
    return { name, dtype: 'F32' as const, shape, data };
  });
  return await safetensorsBytes(tensors, { ...about, format: 'pt', dictionary: JSON.stringify(rest) });
}

/**
 * Opens what {@link saveDictionary} wrote.
 *
 * @throws FiducialError `dictionary.bad-file`
 */
export function openDictionary(bytes: Uint8Array): {
  readonly dictionary: Dictionary;
  readonly about: Readonly<Record<string, string>>;
} {
  const { tensors, metadata } = readSafetensorsBytes(bytes);
  const { dictionary: text, format: _, ...about } = metadata;
  if (text === undefined) throw badFile('it holds no description');
  const shape = JSON.parse(text) as Omit<Dictionary, 'parameters'>;
  const { latents, width, form } = shape;
  if (!dictionaryForms.includes(form)) throw badFile(`its form is ${show(form)}`);
  const shapes: Record<string, readonly number[]> = {
    encoder: [latents, width],
    decoder: [latents, width],
    encoderBias: [latents],
    logThreshold: [latents],
    decoderBias: [width],
  };
  const parameters = Object.fromEntries(
    ARRAYS.map((name) => {
      const array = tensors.get(name);
      if (array === undefined || array.shape.join() !== shapes[name]!.join()) {
        throw badFile(`${name} is ${show(array?.shape)} and should be ${show(shapes[name])}`);
      }
      return [name, fromData(array.data, array.shape, 'float32')];
    }),
  ) as unknown as DictionaryParameters;
  return { dictionary: { ...shape, parameters }, about };
}

const badFile = (what: string): FiducialError =>
  new FiducialError(
    'dictionary.bad-file',
    `This is no saved dictionary: ${what}`,
    'Train one with interpret/sparse-autoencoder.',
  );
