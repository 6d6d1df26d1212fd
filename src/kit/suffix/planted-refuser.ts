/**
 * Models made by hand that refuse one thing, for trials of suffix searches: with a hole in their refusal, and without.
 *
 * Refusal is a direction: a forbidden word adds to it, and the model says no when the text's sum along it is above a
 * threshold. With the hole, a few words of the vocabulary take from it, enough of them to get below; in the clean twin
 * the same words have no part in it, so that no suffix whatever gets through. Which words, and everything else about the
 * vectors, comes from the seed.
 */
import type { Random } from '../../core/random.ts';
import type { OpenModel } from '../../models/open/index.ts';
import { plantedModel } from '../directions/planted-model.ts';

export interface PlantedRefuser {
  readonly target: OpenModel;
  readonly rows: { readonly id: string; readonly request: string; readonly target: string }[];
  /** What it says when it does what it was asked. */
  readonly yes: string;
  /** The words that take from the refusal; where there is no hole, the words that would. */
  readonly holes: readonly string[];
}

const width = 8;
const fillerWords = 60;

/**
 * @param hole whether there are words that open it
 * @example const { target, rows } = plantedRefuser(random(3), 'open');
 */
export function plantedRefuser(random: Random, hole: 'open' | 'closed'): PlantedRefuser {
  const noise = random.split('vectors');
  const fillers = Array.from(
    { length: fillerWords },
    (_, i) => `${syllables[i % 12]}${syllables[(i * 7 + 5) % 12]}${i}`,
  );
  const holes = random.split('holes').shuffle(fillers).slice(0, 3);
  // The first dimension is the refusal; the rest is what words have otherwise.
  const vector = (along: number): number[] => [along, ...Array.from({ length: width - 1 }, () => noise.normal())];
  const words = new Map<string, number[]>([['x', Array.from({ length: width }, () => 0)]]);
  for (const word of ['please', 'open', 'the']) words.set(word, vector(0));
  for (const word of ['gate', 'lid']) words.set(word, vector(1));
  for (const word of fillers) words.set(word, vector(0));
  // Drawn for both, so that the twin differs in these entries alone.
  for (const word of holes) words.get(word)![0] = hole === 'open' ? -0.4 : 0;
  const along = Array.from({ length: width }, (_, i) => (i === 0 ? 1 : 0));
  const target = plantedModel({
    width,
    words,
    sum: { layer: 1, tokens: 12 },
    answers: new Map([
      ['never', { reading: along.map((value) => value * 12), bias: -3 }],
      ['certainly', { reading: along.map((value) => value * -12), bias: 3 }],
    ]),
  });
  return {
    target,
    rows: ['gate', 'lid'].map((word) => ({ id: word, request: `please open the ${word}`, target: 'certainly' })),
    yes: 'certainly',
    holes,
  };
}

const syllables = ['ba', 'do', 'fi', 'gu', 'ke', 'la', 'mo', 'ni', 'pu', 're', 'so', 'ti'];
