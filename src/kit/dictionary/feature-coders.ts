/** Features of a model at one tap, whatever they come from: a dictionary's latents, or directions with a threshold. */
import { FiducialError, show } from '../../core/errors.ts';
import type { OpenModel } from '../../models/open/index.ts';
import { encoderOf, openDictionary } from './dictionary.ts';

export interface FeatureDirection {
  readonly id: string;
  readonly direction: readonly number[];
  readonly threshold?: number | undefined;
}

/** What turns activations of a site into activations of named features. */
export interface FeatureCoder {
  readonly site: string;
  readonly skip: number;
  readonly names: readonly string[];
  /** [rows, width] -> [rows, names] */
  encode(activations: Float32Array): Promise<Float32Array>;
}

/** A dictionary's latents. @param site another tap than the one it was trained on, where one is meant */
export function dictionaryCoder(bytes: Uint8Array, site: string | undefined): FeatureCoder {
  const { dictionary, about } = openDictionary(bytes);
  const encode = encoderOf(dictionary);
  return {
    site: site ?? about['site'] ?? '',
    skip: Number(about['skip'] ?? 0),
    names: Array.from({ length: dictionary.latents }, (_, i) => `latent ${i}`),
    encode: async (activations) => (await encode(activations)).codes,
  };
}

/**
 * Directions as features: the part of an activation along each, above its threshold.
 *
 * @throws FiducialError `features.bad-direction` for directions of different lengths
 */
export function directionCoder(
  rows: readonly FeatureDirection[],
  site: string | undefined,
  { network }: OpenModel,
): FeatureCoder {
  const odd = rows.find((each) => each.direction.length !== rows[0]!.direction.length);
  if (odd !== undefined) {
    throw new FiducialError(
      'features.bad-direction',
      `The direction ${show(odd.id)} has ${odd.direction.length} entries, and the first ${rows[0]!.direction.length}`,
      'Give directions of one site.',
    );
  }
  return {
    site: site ?? `blocks.${Math.floor(network.description.layers / 2)}.resid_post`,
    skip: 0,
    names: rows.map(({ id }) => id),
    encode(activations) {
      const width = rows[0]!.direction.length;
      const count = activations.length / width;
      const codes = new Float32Array(count * rows.length);
      for (let at = 0; at < count; at++) {
        rows.forEach((each, i) => {
          let along = 0;
          for (let j = 0; j < width; j++) along += activations[at * width + j]! * each.direction[j]!;
          codes[at * rows.length + i] = Math.max(0, along - (each.threshold ?? 0));
        });
      }
      return Promise.resolve(codes);
    },
  };
}
