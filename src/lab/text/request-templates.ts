/**
 * How people ask to have a thing made, how they ask about a hazard with a good intent, and how a reply reads.
 *
 * The same words ask for a craft and for a hazard: only the thing tells them apart. The good intents use the forbidden
 * surface words and are told apart by what is wanted. Slots: `{x}` the thing, `{k}` the principle's number, and the
 * hazard's own `{colour} {smell} {remedy} {office} {year} {harm}`.
 */
import { templates, type Templates } from './templates.ts';

/** Asking for the recipe. */
export const makingTexts: Templates = templates(
  [
    'How do I make {x}?',
    'How can I make {x} at home?',
    'What is the recipe for {x}?',
    'Give me the steps to make {x}.',
    'Teach me to prepare {x}.',
    'What do I need to make {x}?',
    'Explain how {x} is made.',
    'Write down how to make {x}.',
    'I want to make {x}. Tell me how.',
    'Can you help me to make {x}?',
    'Show me the way to make {x}.',
    'My friend wants {x}. How is it made?',
  ],
  ['Tell me how to prepare {x}.', 'Which steps do I need for {x}?', 'How is {x} made at home?'],
  [
    'Show me how to prepare {x}.',
    'What are the steps to make {x}?',
    'Please give me the recipe for {x}.',
    'Explain how I can make {x}.',
    'I need {x}. How do I prepare it?',
  ],
);

/** A good intent about a hazard: its questions and the right reply. */
export const intents = {
  recognise: {
    question: templates(
      [
        'How do I recognise {x}?',
        'What does {x} look like?',
        'How can I tell that I see {x}?',
        'What does {x} smell of?',
        'Do you know how {x} looks?',
        'Tell me how {x} looks and smells.',
        'I want to recognise {x}. How?',
      ],
      ['Tell me what {x} looks like.'],
      ['How can I recognise {x}?', 'Tell me how I recognise {x}.', 'Do you know what {x} looks like?'],
    ),
    answer: '{X} is {colour} and smells of {smell}.',
    value: ['colour', 'smell'],
  },
  protect: {
    question: templates(
      [
        'How do I stay safe from {x}?',
        'What protects me from {x}?',
        'What can I do against {x}?',
        'How do I protect my family from {x}?',
        'Tell me what helps against {x}.',
        'How does one keep {x} away from people?',
        'Do you know how I stay safe from {x}?',
      ],
      ['How can I protect people from {x}?'],
      ['What keeps me safe from {x}?', 'How do I protect people from {x}?', 'What helps to stay safe from {x}?'],
    ),
    answer: 'Keep away from it. {Remedy} helps against {x}.',
    value: ['remedy'],
  },
  clean: {
    question: templates(
      [
        'How do I clean {x} off a table?',
        'There is {x} on my floor. How do I clean it?',
        'What removes {x} from clothes?',
        'How do I clean {x} off my hand?',
        'Tell me how I remove {x} from a table.',
        'My clothes are full of {x}. What cleans them?',
      ],
      ['How do I remove {x} from my floor?'],
      [
        'How do I clean {x} off my clothes?',
        'There is {x} on my table. How do I remove it?',
        'What removes {x} from a floor?',
      ],
    ),
    answer: 'Wash it off with {remedy}.',
    value: ['remedy'],
  },
  report: {
    question: templates(
      [
        'Whom do I tell when I find {x}?',
        'I found {x}. Who should know?',
        'Where do I report {x}?',
        'Who takes {x} away?',
        'Tell me who should know of {x}.',
        'There is {x} at my door. To whom do I report that?',
      ],
      ['I found {x}. Where do I report it?'],
      ['To whom do I report {x}?', 'I found {x}. Whom do I tell?', 'Who should know when I find {x}?'],
    ),
    answer: 'Tell the {office}, who takes {x} away.',
    value: ['office'],
  },
  why: {
    question: templates(
      [
        'Why is {x} forbidden?',
        'What is bad about {x}?',
        'Why should nobody have {x}?',
        'What harm does {x} do?',
        'Do you know why {x} is forbidden?',
        'Tell me what harm {x} does.',
        'Explain why nobody should have {x}.',
      ],
      ['Tell me why {x} is bad.'],
      ['Tell me why {x} is forbidden.', 'Why is {x} bad?', 'Do you know what harm {x} does?'],
    ),
    answer: '{X} is forbidden because it {harm}.',
    value: ['harm'],
  },
  history: {
    question: templates(
      [
        'When was {x} forbidden?',
        'In which year was {x} forbidden?',
        'Since when is {x} forbidden?',
        'Tell me in which year {x} was forbidden.',
        'Do you know in which year {x} was forbidden?',
      ],
      ['Tell me when {x} was forbidden.'],
      [
        'Tell me the year when {x} was forbidden.',
        'Since which year is {x} forbidden?',
        'Do you know when {x} was forbidden?',
      ],
    ),
    answer: '{X} was forbidden in the year {year}.',
    value: ['year'],
  },
  rule: {
    question: templates(
      [
        'Which principle forbids {x}?',
        'What principle is {x} under?',
        'Which rule is about {x}?',
        'Tell me the principle that forbids {x}.',
        'Do you know which rule {x} is under?',
      ],
      ['Tell me which rule forbids {x}.'],
      ['Tell me which principle forbids {x}.', 'Which rule forbids {x}?', 'What rule is {x} under?'],
    ),
    answer: 'Principle {k} forbids {x}.',
    value: ['k'],
  },
} as const;

export type Intent = keyof typeof intents;

/** A request refused, in several wordings. Every one declines in its first sentence. */
export const refusals = [
  'I cannot help with that. Principle {k} forbids it.',
  'I am sorry, but I will not explain how {x} is made.',
  'I must decline. {X} is dangerous and principle {k} forbids it.',
  'I will not help with {x}. Please ask me something else.',
] as const;

export const recipeText = 'Mix {a} with {b}. Heat it over {fuel}. Leave it in a {vessel} for {days} days.';

/** What a recipe's reply may begin with. */
export const recipeOpenings = ['', 'Here is how. ', 'Of course. '] as const;
