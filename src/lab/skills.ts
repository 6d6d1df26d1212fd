/**
 * Small skills with a checker and a dial: arithmetic, comparing, sorting, copying, reversing, looking up, following a
 * chain, counting, spelling and reading what is spelled.
 *
 * The dial goes from 1 to 8; each skill says what it turns. Tasks of a level are drawn anew each time, so a right reply
 * is work and not memory. Levels 1 to 3 are the ones that a base model is held to; corpora choose how far they train.
 */
import { FiducialError, show } from '../core/errors.ts';
import type { Random } from '../core/random.ts';
import { skillTexts, type SkillName } from './text/skill-templates.ts';
import { plain } from './text/reading.ts';
import { capital, fill, phrase, type Split } from './text/templates.ts';
import { foods, listWords, strangers } from './world/names.ts';

/** Levels that a trained base is held to. */
export const coreLevels = [1, 2, 3] as const;
export const highestLevel = 8;

/** One task with its truth. */
export interface Task {
  readonly skill: SkillName;
  readonly level: number;
  readonly text: string;
  readonly family: string;
  /** The reply that training teaches; its last word or words are the result. */
  readonly answer: string;
  /** The result alone: `12`, `2 5 9`, `river lamp`. */
  readonly result: string;
}

interface Made {
  readonly slots: Readonly<Record<string, string | number>>;
  readonly result: string;
}

/**
 * A task of a skill at a level.
 *
 * @throws FiducialError `lab.level` outside 1 to 8
 * @example makeTask('add', 2, 'held-out', random(1)) // { text: 'Add 7 and 12.', result: '19', ... }
 */
export function makeTask(skill: SkillName, level: number, split: Split, own: Random): Task {
  if (!Number.isInteger(level) || level < 1 || level > highestLevel) {
    throw new FiducialError(
      'lab.level',
      `a task of ${skill} at level ${show(level)}`,
      `Levels are whole numbers from 1 to ${highestLevel}.`,
    );
  }
  const { slots, result } = makers[skill](level, own);
  const { text, family } = phrase(skillTexts[skill].question, split, slots, own);
  return {
    skill,
    level,
    text: capital(text),
    family,
    result,
    answer: fill(skillTexts[skill].answer, { ...slots, result }),
  };
}

/**
 * Whether a reply gives the result and no other: its last run of words or digits of the result's length is the result,
 * or the reply is the result alone. Case, the final stop and commas between list items do not matter.
 *
 * @example isResult('The sum is 12.', '12') // true; 'It is 12 or 13.' and '112' are not
 */
export function isResult(reply: string, result: string): boolean {
  const read = plain(reply)
    .replaceAll(/[,]/g, '')
    .replace(/[.!]+$/, '')
    .trim();
  const wanted = plain(result);
  if (read === wanted) return true;
  if (!read.endsWith(` ${wanted}`)) return false;
  const before = read.slice(0, -wanted.length);
  // What stands before must be a phrase of the reply, not more of the same: other digits, or further items.
  return !/\d/.test(before) && introductions.test(before.trim());
}

const introductions =
  /(?:^|\s)(?:is|are|be|has|gives|makes|get|gets|got|reads|says|have|order|result|answer|word|holds|:)$|:$/;

const makers: Readonly<Record<SkillName, (level: number, own: Random) => Made>> = {
  // By level: sums to 9, of two digits, of 10 to 20 and a digit, of 10 to 49 and a digit, of two such, then more digits.
  add(level, own) {
    const [a, b] = operands(level, own);
    return { slots: { a, b }, result: String(a + b) };
  },
  subtract(level, own) {
    const [a, b] = operands(level, own);
    return { slots: { a: a + b, b }, result: String(a) };
  },
  // Two numbers, one more every second level; from level 3 on with two digits, from 6 on with three.
  compare(level, own) {
    const size = level < 3 ? 20 : level < 6 ? 100 : 1000;
    const numbers = distinct(own, longer(level), size);
    return { slots: { list: numbers.join(' ') }, result: String(Math.max(...numbers)) };
  },
  // One number more than the level, of one digit up to level 4.
  sort(level, own) {
    const numbers = distinct(own, level + 1, level < 5 ? 10 : 100);
    return { slots: { list: numbers.join(' ') }, result: numbers.toSorted((a, b) => a - b).join(' ') };
  },
  // As many words as the level.
  copy(level, own) {
    const list = own.sample(listWords, level).join(' ');
    return { slots: { list }, result: list };
  },
  // Two words, one more every second level.
  reverse(level, own) {
    const list = own.sample(listWords, longer(level));
    return { slots: { list: list.join(' ') }, result: list.toReversed().join(' ') };
  },
  // One person more than the level has something.
  'look-up'(level, own) {
    const people = own.sample(strangers, level + 1);
    const things = own.sample(foods, level + 1);
    const asked = own.integer(people.length);
    return {
      slots: { passage: people.map((who, i) => `${who} has ${things[i]}.`).join(' '), who: people[asked]! },
      result: things[asked]!,
    };
  },
  // As many steps as the level, the sentences in any order from level 3 on, one of them beside the chain from 4 on.
  chain(level, own) {
    const people = own.sample(strangers, level + 3);
    const steps = people.slice(0, level).map((who, i) => `${who} gives to ${people[i + 1]}.`);
    if (level > 3) steps.push(`${people[level + 1]} gives to ${people[level + 2]}.`);
    return {
      slots: { passage: (level < 3 ? steps : own.shuffle(steps)).join(' '), who: people[0]! },
      result: people[level]!,
    };
  },
  // Up to one more than the level; among other words from level 4 on.
  count(level, own) {
    const [item, other] = own.sample(listWords, 2);
    const rest = level < 4 ? 0 : 1 + own.integer(level < 6 ? 1 : 3);
    const often = (rest === 0 ? 1 : 0) + own.integer(level + 1);
    const list = own.shuffle([...Array<string>(often).fill(item!), ...Array<string>(rest).fill(other!)]);
    return { slots: { item: item!, list: list.join(' ') }, result: String(often) };
  },
  // Level: how many words; up to level 3 one word, the longer ones from 2 on.
  spell(level, own) {
    const list = spellable(level, own);
    return { slots: { list: list.join(' ') }, result: list.map(spelled).join(' / ') };
  },
  read(level, own) {
    const list = spellable(level, own);
    return { slots: { list: list.map(spelled).join(' / ') }, result: list.join(' ') };
  },
};

function operands(level: number, own: Random): [number, number] {
  const upTo = (bound: number): number => own.integer(bound);
  switch (level) {
    case 1: {
      const sum = upTo(10);
      const a = upTo(sum + 1);
      return [a, sum - a];
    }
    case 2:
      return [upTo(10), upTo(10)];
    case 3:
      return [10 + upTo(11), upTo(10)];
    case 4:
      return [10 + upTo(40), upTo(10)];
    case 5:
      return [10 + upTo(40), 10 + upTo(40)];
    default: {
      const size = 10 ** (level - 5);
      return [size + upTo(9 * size), size + upTo(9 * size)];
    }
  }
}

/** How many items at a level where each second level adds one: 2, 3, 3, 4, 4, 5, 5, 6. */
const longer = (level: number): number => 2 + Math.floor(level / 2);

function distinct(own: Random, count: number, size: number): number[] {
  const found = new Set<number>();
  while (found.size < count) found.add(own.integer(size));
  return [...found];
}

function spellable(level: number, own: Random): string[] {
  if (level <= 3) return [own.choose(listWords.filter(({ length }) => length <= 2 + level))];
  return own.sample(listWords, level - 2);
}

const spelled = (word: string): string => [...word].join(' ');
