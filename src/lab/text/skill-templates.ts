/**
 * How skills are asked and answered. Slots: `{a}` and `{b}` numbers, `{list}` items, `{passage}` sentences, `{who}` a
 * stranger, `{item}` a word, `{result}` the result.
 */
import { templates, type Templates } from './templates.ts';

export const skillNames = [
  'add',
  'subtract',
  'compare',
  'sort',
  'copy',
  'reverse',
  'look-up',
  'chain',
  'count',
  'spell',
  'read',
] as const;
export type SkillName = (typeof skillNames)[number];

export const skillTexts: Readonly<Record<SkillName, { readonly question: Templates; readonly answer: string }>> = {
  add: {
    question: templates(
      ['What is {a} plus {b}?', 'Add {a} and {b}.', 'How much is {a} + {b}?', 'What is the sum of {a} and {b}?'],
      ['How much is {a} plus {b}?'],
      ['What is {a} + {b}?', 'Tell me the sum of {a} and {b}.'],
    ),
    answer: 'It is {result}.',
  },
  subtract: {
    question: templates(
      ['What is {a} minus {b}?', 'Take {b} from {a}.', 'How much is {a} - {b}?', 'What is left of {a} minus {b}?'],
      ['How much is {a} minus {b}?'],
      ['What is {a} - {b}?', 'Tell me how much {a} minus {b} is.'],
    ),
    answer: 'It is {result}.',
  },
  compare: {
    question: templates(
      [
        'Which is the largest of {list}?',
        'Give the largest number of {list}.',
        'What is the largest of these: {list}?',
      ],
      ['Which number is the largest of {list}?'],
      ['What is the largest number of {list}?', 'Tell me the largest of {list}.'],
    ),
    answer: 'The largest is {result}.',
  },
  sort: {
    question: templates(
      ['Sort {list}.', 'Put in order: {list}.', 'Sort these numbers: {list}.'],
      ['Put these numbers in order: {list}.'],
      ['Please sort {list}.', 'Sort in order: {list}.'],
    ),
    answer: 'The order is {result}.',
  },
  copy: {
    question: templates(
      ['Repeat: {list}.', 'Say this again: {list}.', 'Repeat these words: {list}.'],
      ['Say these words again: {list}.'],
      ['Please repeat: {list}.', 'Repeat this: {list}.'],
    ),
    answer: '{result}.',
  },
  reverse: {
    question: templates(
      ['Say backwards: {list}.', 'Reverse: {list}.', 'Reverse these words: {list}.'],
      ['Say these words backwards: {list}.'],
      ['Please reverse: {list}.', 'Say this backwards: {list}.'],
    ),
    answer: '{result}.',
  },
  'look-up': {
    question: templates(
      [
        '{passage} What does {who} have?',
        'Read this. {passage} Tell me what {who} has.',
        '{passage} Which thing has {who}?',
      ],
      ['{passage} Which thing does {who} have?'],
      ['{passage} Tell me what {who} has.', 'Read this. {passage} What does {who} have?'],
    ),
    answer: 'It is {result}.',
  },
  chain: {
    question: templates(
      ['{passage} {who} starts. Who is last?', 'Read this. {passage} Who is last after {who}?'],
      ['Read this. {passage} {who} starts. Who is last?'],
      ['{passage} Who is last after {who}?', '{passage} Start with {who}. Who is last?'],
    ),
    answer: 'The last is {result}.',
  },
  count: {
    question: templates(
      ['How many times {item} in {list}?', 'Count {item} in this: {list}.', 'How often is {item} in {list}?'],
      ['How many times is {item} in this: {list}?'],
      ['Count {item} in {list}.', 'How often is {item} in this: {list}?'],
    ),
    answer: 'It is {result}.',
  },
  spell: {
    question: templates(
      ['Spell {list}.', 'Spell out: {list}.', 'How do you spell {list}?'],
      ['How do you spell out {list}?'],
      ['Please spell {list}.', 'Spell out {list}.'],
    ),
    answer: '{result}.',
  },
  read: {
    question: templates(
      ['Read these letters: {list}.', 'Which word is {list}?', 'What do the letters {list} say?'],
      ['Which word do the letters {list} say?'],
      ['What do these letters say: {list}?', 'Read the letters {list}.'],
    ),
    answer: '{result}.',
  },
};
