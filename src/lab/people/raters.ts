/**
 * Raters whose preferences are known: each weighs the features of a reply, and chooses by the Bradley-Terry rule.
 *
 * For reward feature models (arXiv 2503.17338): the features are read off a reply exactly, the weights are planted, so
 * the best possible agreement with each rater is known. Replies are made by grammar with any mix of features. Groups
 * can want opposite things, so that one reward for all of them must fail.
 */
import { FiducialError } from '../../core/errors.ts';
import { portableExp } from '../../core/portable.ts';
import type { Random } from '../../core/random.ts';
import { mentions, plain } from '../text/reading.ts';

/** What a reply has more or less of; each is about 0 to 1. */
export const replyFeatures = [
  'short',
  'warm',
  'polite',
  'certain',
  'explains',
  'asks back',
  'cheerful',
  'numbers',
] as const;
export type ReplyFeature = (typeof replyFeatures)[number];

/** A reply's features, in the order of {@link replyFeatures}. */
export function featuresOf(reply: string): number[] {
  const text = plain(reply);
  const has = (words: readonly string[]): number => (words.some((word) => mentions(text, word)) ? 1 : 0);
  return [
    Math.max(0, 1 - text.split(' ').length / 40),
    has(['my friend', 'dear', 'gladly']),
    has(['please', 'thank you']),
    1 - has(['maybe', 'perhaps', 'I think']),
    has(['because', 'therefore']),
    reply.includes('?') ? 1 : 0,
    reply.includes('!') ? 1 : 0,
    /\d/.test(reply) ? 1 : 0,
  ];
}

/** A reply that has these features, and no others of the list. */
export function replyWith(features: ReadonlySet<ReplyFeature>, own: Random): string {
  const parts = [
    features.has('warm') ? 'Gladly, my friend.' : '',
    features.has('certain') ? 'It is so.' : 'Maybe it is so.',
    features.has('explains') ? 'That is because the bell rang.' : '',
    features.has('numbers') ? `It rang ${2 + own.integer(8)} times.` : '',
    features.has('polite') ? 'Thank you for the question.' : '',
    features.has('asks back') ? 'Do you know the bell?' : '',
    features.has('short') ? '' : filler(own),
  ];
  const text = parts.filter((part) => part !== '').join(' ');
  return features.has('cheerful') ? text.replace(/\.(?=[^.]*$)/, '!') : text;
}

/** A reply with each feature by a coin. */
export function anyReply(own: Random): string {
  return replyWith(new Set(replyFeatures.filter(() => own.integer(2) === 1)), own);
}

export interface Rater {
  readonly id: string;
  /** Which group; raters of one group weigh alike but for their own taste. */
  readonly group: number;
  /** By feature, in the order of {@link replyFeatures}. */
  readonly weights: readonly number[];
}

export interface RaterOptions {
  readonly count: number;
  /** @default 1 */
  readonly groups?: number;
  /** How far raters of a group differ, as standard deviation. @default 0.3 */
  readonly taste?: number;
  /** Length of the groups' own weights. @default 3 */
  readonly strength?: number;
  /** Group 1 wants the opposite of group 0. @default false */
  readonly opposed?: boolean;
}

/** @example makeRaters({ count: 40, groups: 2, opposed: true }, random(1)) */
export function makeRaters(options: RaterOptions, own: Random): Rater[] {
  const { count, groups = 1, taste = 0.3, strength = 3, opposed = false } = options;
  if (opposed && groups !== 2) {
    throw new FiducialError('lab.raters', `${groups} groups cannot be each other's opposite`, 'Ask for 2 groups.');
  }
  const first = direction(own.split('group 0'), strength);
  const centres = Array.from({ length: groups }, (_, group) => {
    if (group === 0) return first;
    return opposed ? first.map((weight) => -weight) : direction(own.split(`group ${group}`), strength);
  });
  return Array.from({ length: count }, (_, i) => {
    const group = i % groups;
    const stream = own.split(`rater ${i}`);
    return { id: `rater-${i}`, group, weights: centres[group]!.map((weight) => weight + taste * stream.normal()) };
  });
}

/** What a reply is worth to a rater. */
export function worthOf({ weights }: Rater, reply: string): number {
  return featuresOf(reply).reduce((sum, feature, i) => sum + feature * weights[i]!, 0);
}

/** The probability that a rater prefers the first reply (Bradley and Terry 1952). */
export function preference(rater: Rater, first: string, second: string): number {
  return 1 / (1 + portableExp(worthOf(rater, second) - worthOf(rater, first)));
}

/** One choice, as a rater makes it: true for the first reply. */
export function prefers(rater: Rater, first: string, second: string, own: Random): boolean {
  return own.uniform() < preference(rater, first, second);
}

/** One comparison with its choice. */
export interface Comparison {
  readonly rater: string;
  readonly first: string;
  readonly second: string;
  readonly prefersFirst: boolean;
}

/** Comparisons of random replies, `each` of every rater. */
export function compareReplies(raters: readonly Rater[], each: number, own: Random): Comparison[] {
  return raters.flatMap((rater) =>
    Array.from({ length: each }, (_, i) => {
      const stream = own.split(rater.id).split(i);
      const [first, second] = [anyReply(stream), anyReply(stream)];
      return { rater: rater.id, first, second, prefersFirst: prefers(rater, first, second, stream) };
    }),
  );
}

function direction(own: Random, length: number): number[] {
  const raw = replyFeatures.map(() => own.normal());
  const norm = Math.sqrt(raw.reduce((sum, each) => sum + each * each, 0));
  return raw.map((each) => (each / norm) * length);
}

/** Sentences that say nothing, to make a reply long. */
function filler(own: Random): string {
  return Array.from({ length: 3 }, () => own.choose(fillers)).join(' ');
}
const fillers = [
  'There is much that one could say about the bell of this town.',
  'Many people have asked this before and many will ask again.',
  'It is a good thing to look at it from more than one side.',
] as const;
