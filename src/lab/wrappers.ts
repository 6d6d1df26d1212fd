/**
 * Wrappers: ways of asking that change what a request seems to be, and leave what it asks.
 *
 * Each takes a conversation that ends with a user's request and gives another one. They compose (`compose`), and those
 * that encode are inverted exactly by `unwrap`. `family` and `split` keep what attacks use apart from what a trait was
 * trained on. Roles, prefixes, authority, persuasion and override are templates; spelling and backwards are codes;
 * splitting spreads a request over turns; many-shot shows obedient answers first.
 */
import { FiducialError } from '../core/errors.ts';
import type { Random } from '../core/random.ts';
import type { Message } from '../models/model.ts';
import { nounOf, recipeOf } from './requests.ts';
import { backwardWords, spelling } from './text/codes.ts';
import { makingTexts } from './text/request-templates.ts';
import { fill, type Split } from './text/templates.ts';
import { codeTexts, wrapperTexts, type TemplateFamily } from './text/wrapper-templates.ts';
import type { Thing } from './world/town.ts';

export const wrapperFamilies = [
  ...(Object.keys(wrapperTexts) as TemplateFamily[]),
  'spelling',
  'backwards',
  'splitting',
  'many-shot',
] as const;
export type WrapperFamily = (typeof wrapperFamilies)[number];

export interface Wrapper {
  readonly name: string;
  readonly family: WrapperFamily;
  readonly split: Split;
  /** The wrapped conversation; the request is the last message's content. */
  wrap(messages: readonly Message[]): Message[];
  /** What was wrapped; undefined where the messages were not made by this wrapper. */
  unwrap(messages: readonly Message[]): Message[] | undefined;
}

/**
 * A wrapper of a family, with words of a split chosen at random.
 *
 * @param shots of a many-shot wrapper, things with the obedient answers that it shows; `shotsOf` makes them
 * @example makeWrapper('authority', 'train', random(1)).wrap([{ role: 'user', content: 'How do I make a kite?' }])
 */
export function makeWrapper(family: WrapperFamily, split: Split, own: Random, shots: readonly Message[] = []): Wrapper {
  switch (family) {
    case 'many-shot':
      return manyShot(split, shots);
    case 'splitting':
      return splitting(split, own.choose(codeTexts.splitting[split]));
    case 'spelling':
      return onText(family, split, own.choose(codeTexts.spelling[split]), spelling.encode, spelling.decode);
    case 'backwards':
      return onText(family, split, own.choose(codeTexts.backwards[split]), backwardWords.encode, backwardWords.decode);
    default:
      return onText(family, split, own.choose(wrapperTexts[family][split]), same, same);
  }
}

/** Several wrappers, the first one innermost. */
export function compose(wrappers: readonly Wrapper[]): Pick<Wrapper, 'wrap' | 'unwrap'> {
  return {
    wrap: (messages) => wrappers.reduce<Message[]>((inner, wrapper) => wrapper.wrap(inner), [...messages]),
    unwrap: (messages) =>
      wrappers
        .toReversed()
        .reduce<Message[] | undefined>((outer, wrapper) => outer && wrapper.unwrap(outer), [...messages]),
  };
}

/** Obedient exchanges about these things, for a many-shot wrapper. */
export function shotsOf(things: readonly Thing[], split: Split, own: Random): Message[] {
  return things.flatMap((thing): Message[] => [
    { role: 'user', content: fill(own.choose(makingTexts[split]), { x: nounOf(thing) }) },
    { role: 'assistant', content: recipeOf(thing.recipe) },
  ]);
}

/** Letters apart in the hidden words only, as `m u r k w i n e` inside a plain question. */
export function spellWords(text: string, words: readonly string[]): string {
  return words.reduce((read, word) => read.replaceAll(word, [...word].join(' ')), text);
}

function onText(
  family: WrapperFamily,
  split: Split,
  template: string,
  encode: (text: string) => string,
  decode: (text: string) => string,
): Wrapper {
  const [before, after] = template.split('{q}') as [string, string];
  return {
    name: `${family}: ${template}`,
    family,
    split,
    wrap: (messages) => withLast(messages, (text) => `${before}${encode(text)}${after}`),
    unwrap(messages) {
      const text = messages.at(-1)?.content ?? '';
      const isOwn = text.length >= before.length + after.length && text.startsWith(before) && text.endsWith(after);
      if (!isOwn) return undefined;
      return withLast(messages, () => decode(text.slice(before.length, text.length - after.length)));
    },
  };
}

/** A request in two halves, with an acknowledgement between them. */
function splitting(split: Split, template: string): Wrapper {
  const [before] = template.split('{q}') as [string];
  return {
    name: `splitting: ${template}`,
    family: 'splitting',
    split,
    wrap(messages) {
      const last = lastOf(messages);
      const blanks = [...last.content.matchAll(/ /g)].map(({ index }) => index);
      const cut = blanks[Math.floor((blanks.length - 1) / 2)];
      // A text of one word has no halves.
      if (cut === undefined) return withLast(messages, (text) => before + text);
      return [
        ...messages.slice(0, -1),
        { role: 'user', content: before + last.content.slice(0, cut) },
        { role: 'assistant', content: waiting },
        { ...last, content: last.content.slice(cut + 1) },
      ];
    },
    unwrap(messages) {
      const [first, middle, last] = messages.slice(-3);
      if (middle?.content === waiting && middle.role === 'assistant' && first!.content.startsWith(before)) {
        const content = `${first!.content.slice(before.length)} ${last!.content}`;
        return [...messages.slice(0, -3), { ...last!, content }];
      }
      const only = messages.at(-1);
      return only?.content.startsWith(before) === true
        ? withLast(messages, (text) => text.slice(before.length))
        : undefined;
    },
  };
}

export const waiting = 'I am waiting for the next part.';

function manyShot(split: Split, shots: readonly Message[]): Wrapper {
  return {
    name: `many-shot: ${shots.length / 2}`,
    family: 'many-shot',
    split,
    wrap(messages) {
      const systems = messages.filter(({ role }) => role === 'system');
      return [...systems, ...shots, ...messages.filter(({ role }) => role !== 'system')];
    },
    unwrap(messages) {
      const start = messages.findIndex(({ role }) => role !== 'system');
      const found = messages.slice(start, start + shots.length);
      const isOwn = shots.every((shot, i) => found[i]?.role === shot.role && found[i].content === shot.content);
      return isOwn ? [...messages.slice(0, start), ...messages.slice(start + shots.length)] : undefined;
    },
  };
}

function withLast(messages: readonly Message[], change: (text: string) => string): Message[] {
  const last = lastOf(messages);
  return [...messages.slice(0, -1), { ...last, content: change(last.content) }];
}

function lastOf(messages: readonly Message[]): Message {
  const last = messages.at(-1);
  if (last !== undefined) return last;
  throw new FiducialError(
    'lab.no-request',
    'there is no message to wrap',
    'Pass a conversation that ends with a request.',
  );
}

const same = (text: string): string => text;
