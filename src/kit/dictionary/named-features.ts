/**
 * A planted model whose words are named by the features that they are made of, texts of them, and two programs that
 * chat: one explains marked words by the name that they share, the other applies such an explanation. With them every
 * part of labelling runs, and the right label is known. The twin has the same words under each other's names, so no
 * label can be right.
 */
import type { Random } from '../../core/random.ts';
import type { Model } from '../../models/model.ts';
import type { OpenModel } from '../../models/open/index.ts';
import { functionModel } from '../../models/providers/function.ts';
import { plantedModel } from '../directions/planted-model.ts';

/** What features are called. */
const NAMES = 'amber birch cedar dune ember fern grove hazel iris juniper kelp larch'.split(' ');
const WORDS = 120;

export interface NamedFeatures {
  readonly target: OpenModel;
  readonly texts: readonly { readonly id: string; readonly text: string }[];
  readonly directions: readonly { readonly id: string; readonly direction: number[]; readonly threshold: number }[];
}

/** Twelve features in as many dimensions, two to a word; 120 words; 90 texts of eight words. */
export function namedFeatures(kind: 'named' | 'misnamed', random: Random): NamedFeatures {
  const width = NAMES.length;
  const made = Array.from({ length: WORDS }, (_, i) => {
    const stream = random.split('words').split(i);
    const features = stream.sample(
      NAMES.map((__, feature) => feature),
      2,
    );
    const vector = new Float32Array(width);
    for (const feature of features) vector[feature] = 0.5 + stream.uniform();
    return { name: `${features.map((feature) => NAMES[feature]).join('-')}-${i}`, vector };
  });
  const vectors =
    kind === 'named'
      ? made.map(({ vector }) => vector)
      : random.split('names').shuffle(made.map(({ vector }) => vector));
  const words = new Map(made.map(({ name }, i) => [name, vectors[i]!]));
  const names = [...words.keys()];
  return {
    target: plantedModel({ width, layers: 1, words, answers: new Map() }),
    texts: Array.from({ length: 90 }, (_, t) => {
      const stream = random.split('texts').split(t);
      return { id: `text ${t}`, text: Array.from({ length: 8 }, () => stream.choose(names)).join(' ') };
    }),
    directions: NAMES.map((__, i) => ({
      id: `feature ${i}`,
      direction: Array.from({ length: width + 2 }, (_, j) => (j === i ? 1 : 0)),
      threshold: 0.1,
    })),
  };
}

const quotedLines = (words: string): string[] =>
  words.split('\n').flatMap((line) => (line.startsWith('| ') ? [line.slice(2)] : []));
const tokenIn = (words: string): string => /the token ([0-9a-f]{16})/.exec(words)![1]!;
const markedIn = (text: string): string[] =>
  [...text.matchAll(/<<(.*?)>>/g)].flatMap((match) => match[1]!.split(/\s+/));

/** Explains marked words by the part of their names that most of them share. */
export function readingExplainer(): Model {
  return functionModel('reading explainer', ({ messages }) => {
    const words = messages.at(-1)!.content;
    const counts = new Map<string, number>();
    for (const word of quotedLines(words).flatMap(markedIn)) {
      for (const part of word.split('-').slice(0, 2)) counts.set(part, (counts.get(part) ?? 0) + 1);
    }
    const [best] = [...counts].sort((a, b) => b[1] - a[1])[0] ?? ['nothing'];
    return `They share a part.\nLABEL ${tokenIn(words)}: words with ${best}`;
  });
}

/** Says whether a text holds (or has marked) words with the part that a label names. */
export function readingScorer(): Model {
  return functionModel('reading scorer', ({ messages }) => {
    const words = messages.at(-1)!.content;
    const [label, text] = quotedLines(words) as [string, string];
    const part = label.split(' ').at(-1)!;
    const holds = (word: string): boolean => word.split('-').includes(part);
    const marked = markedIn(text);
    const isRight = marked.length > 0 ? marked.every(holds) : text.split(' ').some(holds);
    return `ANSWER ${tokenIn(words)} ${isRight ? 'YES' : 'NO'}`;
  });
}
