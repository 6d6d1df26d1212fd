/**
 * An open model whose words are sums of a few planted directions, and texts of those words: the test bed of sparse
 * dictionaries as a model that is tapped like any other. Its twin has words of dense noise of the same size.
 */
import { type Random, random as randomOf } from '../../core/random.ts';
import type { OpenModel } from '../../models/open/index.ts';
import { plantedModel } from '../directions/planted-model.ts';
import { plantedFeatures } from './planted-features.ts';

export interface PlantedTexts {
  readonly target: OpenModel;
  readonly texts: readonly { readonly id: string; readonly text: string }[];
  readonly directions: readonly { readonly id: string; readonly direction: number[] }[];
}

/**
 * A model of 1,000 words over 24 directions in 12 dimensions, two to a word, that expects each word to be said again;
 * and 200 texts of 20 words, in which most are.
 */
export function plantedDictionaryCase(
  kind: 'features' | 'noise',
  random: Random = randomOf('planted texts'),
): PlantedTexts {
  const [count, width, active, wordCount] = [24, 12, 2, 1000];
  const bed = plantedFeatures({ count, width, active }, random.split('bed'));
  const vectors =
    kind === 'features'
      ? bed.sample(random.split('words'), wordCount)
      : // As long as a sum of two directions with coefficients of mean square 13/12.
        random.split('words').fillNormal(new Float32Array(wordCount * width), 0, Math.sqrt((active * 13) / 12 / width));
  const names = Array.from({ length: wordCount }, (_, i) => `word${i}`);
  const words = new Map(names.map((name, i) => [name, vectors.subarray(i * width, (i + 1) * width)]));
  // The nearest word is the likeliest: -gain / 2 |h - v|^2 but for what all words share.
  const gain = 4;
  const answers = new Map(
    [...words].map(([name, vector]) => [
      name,
      {
        reading: vector.map((x) => gain * x),
        bias: (-gain / 2) * vector.reduce((sum, x) => sum + x * x, 0),
      },
    ]),
  );
  const texts = Array.from({ length: 200 }, (_, t) => {
    const stream = random.split('texts').split(t);
    const said: string[] = [];
    for (let i = 0; i < 20; i++) said.push(i > 0 && stream.uniform() < 0.8 ? said.at(-1)! : stream.choose(names));
    return { id: `text ${t}`, text: said.join(' ') };
  });
  return {
    target: plantedModel({ width, layers: 1, words, answers, endsTurn: false }),
    texts,
    directions: Array.from({ length: count }, (_, i) => ({
      id: `direction ${i}`,
      // The model's stream has two dimensions of its own behind those of the words.
      direction: [...bed.directions.subarray(i * width, (i + 1) * width), 0, 0],
    })),
  };
}
