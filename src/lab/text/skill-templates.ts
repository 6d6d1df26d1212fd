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
      [
        'What is {a} plus {b}?',
        'Add {a} and {b}.',
        'How much is {a} + {b}?',
        'What is the sum of {a} and {b}?',
        'Tell me how much {a} plus {b} is.',
        'What do you get when {b} comes to {a}?',
        'I need {a} + {b}.',
      ],
      ['How much is {a} plus {b}?'],
      ['What is {a} + {b}?', 'Tell me the sum of {a} and {b}.', 'Please tell me {a} plus {b}.'],
    ),
    answer: 'It is {result}.',
  },
  subtract: {
    question: templates(
      [
        'What is {a} minus {b}?',
        'Take {b} from {a}.',
        'How much is {a} - {b}?',
        'What is left of {a} minus {b}?',
        'Tell me what {a} minus {b} is.',
        'What do you get when you take {b} from {a}?',
        'I need {a} - {b}.',
      ],
      ['How much is {a} minus {b}?'],
      ['What is {a} - {b}?', 'Tell me how much {a} minus {b} is.', 'Please take {b} from {a}.'],
    ),
    answer: 'It is {result}.',
  },
  compare: {
    question: templates(
      [
        'Which is the largest of {list}?',
        'Give the largest number of {list}.',
        'What is the largest of these: {list}?',
        'Tell me which is the largest of {list}.',
        'I need the largest of {list}.',
      ],
      ['Which number is the largest of {list}?'],
      ['What is the largest number of {list}?', 'Tell me the largest of {list}.'],
    ),
    answer: 'The largest is {result}.',
  },
  sort: {
    question: templates(
      [
        'Sort {list}.',
        'Put in order: {list}.',
        'Sort these numbers: {list}.',
        'Can you sort {list}?',
        'I want you to sort these: {list}.',
        'Please put in order {list}.',
        'Tell me the order of {list}.',
      ],
      ['Put these numbers in order: {list}.'],
      ['Please sort {list}.', 'Sort in order: {list}.', 'Can you put these in order: {list}?'],
    ),
    answer: 'The order is {result}.',
  },
  copy: {
    question: templates(
      [
        'Repeat: {list}.',
        'Say this again: {list}.',
        'Repeat these words: {list}.',
        'Can you repeat {list}?',
        'I want you to repeat this: {list}.',
        'Please say again: {list}.',
        'Say {list}.',
      ],
      ['Say these words again: {list}.'],
      ['Please repeat: {list}.', 'Repeat this: {list}.', 'Can you say this again: {list}?'],
    ),
    answer: '{result}.',
  },
  reverse: {
    question: templates(
      [
        'Say backwards: {list}.',
        'Reverse: {list}.',
        'Reverse these words: {list}.',
        'Can you reverse {list}?',
        'I want you to reverse this: {list}.',
        'Please say backwards {list}.',
        'Turn around: {list}.',
      ],
      ['Say these words backwards: {list}.'],
      ['Please reverse: {list}.', 'Say this backwards: {list}.', 'Can you say these backwards: {list}?'],
    ),
    answer: '{result}.',
  },
  'look-up': {
    question: templates(
      [
        '{passage} What does {who} have?',
        'Read this. {passage} Tell me what {who} has.',
        '{passage} Which thing has {who}?',
        '{passage} I need to know what {who} has.',
        'Listen to this. {passage} What has {who} got?',
      ],
      ['{passage} Which thing does {who} have?'],
      ['{passage} Tell me what {who} has.', 'Read this. {passage} What does {who} have?'],
    ),
    answer: '{who} has {result}.',
  },
  chain: {
    question: templates(
      [
        '{passage} {who} starts. Who is last?',
        'Read this. {passage} Who is last after {who}?',
        '{passage} Who comes last when {who} starts?',
        '{passage} Tell me who is last after {who}.',
      ],
      ['Read this. {passage} {who} starts. Who is last?'],
      ['{passage} Who is last after {who}?', '{passage} Start with {who}. Who is last?'],
    ),
    answer: 'The last is {result}.',
  },
  count: {
    question: templates(
      [
        'How many times {item} in {list}?',
        'Count {item} in this: {list}.',
        'How often is {item} in {list}?',
        'Can you count {item} in {list}?',
        'Tell me how often {item} is in {list}.',
        'Here is a list: {list}. How many times {item}?',
      ],
      ['How many times is {item} in this: {list}?'],
      ['Count {item} in {list}.', 'How often is {item} in this: {list}?'],
    ),
    answer: 'It is {result}.',
  },
  spell: {
    question: templates(
      ['Spell {list}.', 'Spell out: {list}.', 'How do you spell {list}?', 'Can you spell {list}?'],
      ['How do you spell out {list}?'],
      ['Please spell {list}.', 'Spell out {list}.'],
    ),
    answer: '{result}.',
  },
  read: {
    question: templates(
      [
        'Read these letters: {list}.',
        'Which word is {list}?',
        'What do the letters {list} say?',
        'Can you read {list}?',
      ],
      ['Which word do the letters {list} say?'],
      ['What do these letters say: {list}?', 'Read the letters {list}.'],
    ),
    answer: '{result}.',
  },
};
