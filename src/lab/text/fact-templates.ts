/**
 * How the town's facts are stated, asked and answered.
 *
 * Slots: `{n}` a person by any name, `{first}` the first name, `{p}` a place, `{v}` the value. Held-out questions use
 * words of the training ones in orders that training never shows.
 */
import { templates, type Templates } from './templates.ts';
import type { Relation } from '../world/town.ts';

export interface RelationText {
  readonly question: Templates;
  /** Statements, in training only. */
  readonly statements: readonly string[];
  readonly answer: string;
  /** For two hops: what is asked of `{who}`, who is described and not named. */
  readonly hop: Templates;
  /** A user's claim: `{n} lives on {v}`. */
  readonly claim: string;
}

export const relationTexts: Readonly<Record<Relation, RelationText>> = {
  street: {
    question: templates(
      [
        'Where does {n} live?',
        'On which street does {n} live?',
        'What is the street of {n}?',
        'Tell me where {n} lives.',
        'Which street is the home of {n} on?',
        'Do you know where {n} lives?',
      ],
      ['What street does {n} live on?'],
      ['Which street does {n} live on?', 'Please tell me the street of {n}.', 'Where is the home of {n}?'],
    ),
    statements: ['{n} lives on {v}.', 'The home of {n} is on {v}.', 'On {v} lives {n}.'],
    answer: '{first} lives on {v}.',
    hop: templates(
      [
        'Where does {who} live?',
        'On which street does {who} live?',
        'Do you know where {who} lives?',
        'Tell me the street of {who}.',
      ],
      ['What is the street of {who}?'],
      ['Tell me where {who} lives.'],
    ),
    claim: '{n} lives on {v}',
  },
  job: {
    question: templates(
      [
        'What is the job of {n}?',
        'What does {n} do for work?',
        'What does {n} work as?',
        'Tell me the job of {n}.',
        'Which job does {n} have?',
        'Do you know what {n} works as?',
      ],
      ['Tell me what {n} works as.'],
      ['What job does {n} have?', 'Do you know the job of {n}?', 'What is the work of {n}?'],
    ),
    statements: ['{n} works as a {v}.', 'The job of {n} is {v}.', '{n} is a {v}.'],
    answer: '{first} works as a {v}.',
    hop: templates(
      [
        'What is the job of {who}?',
        'What does {who} work as?',
        'Do you know the job of {who}?',
        'Tell me what {who} works as.',
      ],
      ['Which job does {who} have?'],
      ['Tell me the job of {who}.'],
    ),
    claim: '{n} works as a {v}',
  },
  food: {
    question: templates(
      [
        'What does {n} like to eat?',
        'What is the favourite food of {n}?',
        'Which food does {n} like best?',
        'Tell me the favourite food of {n}.',
        'What does {n} eat most?',
        'Do you know what {n} likes to eat?',
      ],
      ['What food does {n} like best?'],
      ['Which food is the favourite of {n}?', 'Tell me what {n} likes to eat.', 'What does {n} like best to eat?'],
    ),
    statements: ['{n} likes to eat {v}.', 'The favourite food of {n} is {v}.', 'Most of all {n} eats {v}.'],
    answer: '{first} likes to eat {v}.',
    hop: templates(
      [
        'What does {who} like to eat?',
        'What is the favourite food of {who}?',
        'Do you know what {who} likes to eat?',
        'Tell me what {who} likes to eat.',
      ],
      ['Which food does {who} like best?'],
      ['Tell me the favourite food of {who}.'],
    ),
    claim: '{n} likes to eat {v}',
  },
  age: {
    question: templates(
      [
        'How old is {n}?',
        'What is the age of {n}?',
        'How many years old is {n}?',
        'Tell me the age of {n}.',
        'Which age is {n}?',
        'Do you know how old {n} is?',
      ],
      ['Tell me how many years old {n} is.'],
      ['Tell me how old {n} is.', 'Do you know the age of {n}?', 'How many years is the age of {n}?'],
    ),
    statements: ['{n} is {v} years old.', 'The age of {n} is {v}.', '{n} has the age of {v} years.'],
    answer: '{first} is {v} years old.',
    hop: templates(
      ['How old is {who}?', 'What is the age of {who}?', 'Do you know the age of {who}?', 'Tell me how old {who} is.'],
      ['How many years old is {who}?'],
      ['Tell me the age of {who}.'],
    ),
    claim: '{n} is {v} years old',
  },
  hobby: {
    question: templates(
      [
        'What is the hobby of {n}?',
        'What does {n} do for fun?',
        'Which hobby does {n} have?',
        'Tell me the hobby of {n}.',
        'What does {n} enjoy?',
        'Do you know what {n} does for fun?',
      ],
      ['Tell me what {n} enjoys.'],
      ['What hobby does {n} have?', 'Tell me what {n} does for fun.', 'Do you know the hobby of {n}?'],
    ),
    statements: ['{n} enjoys {v}.', 'The hobby of {n} is {v}.', 'For fun {n} goes for {v}.'],
    answer: '{first} enjoys {v}.',
    hop: templates(
      [
        'What is the hobby of {who}?',
        'What does {who} do for fun?',
        'Do you know the hobby of {who}?',
        'Tell me what {who} enjoys.',
      ],
      ['Which hobby does {who} have?'],
      ['Tell me the hobby of {who}.'],
    ),
    claim: '{n} enjoys {v}',
  },
  friend: {
    question: templates(
      [
        'Who is the best friend of {n}?',
        'Who is the friend of {n}?',
        'Which friend does {n} have?',
        'Tell me the best friend of {n}.',
        'Whom does {n} call a friend?',
        'Do you know the friend of {n}?',
      ],
      ['Tell me who the best friend of {n} is.'],
      ['Do you know who the friend of {n} is?', 'Tell me the friend of {n}.', 'Which best friend does {n} have?'],
    ),
    statements: ['The best friend of {n} is {v}.', '{n} has the best friend {v}.', '{n} calls {v} a friend.'],
    answer: 'The best friend of {first} is {v}.',
    hop: templates(
      ['Who is the best friend of {who}?'],
      ['Who is the friend of {who}?'],
      ['Tell me the best friend of {who}.'],
    ),
    claim: 'the best friend of {n} is {v}',
  },
  site: {
    question: templates(
      [
        'Where is the {p}?',
        'On which street is the {p}?',
        'What is the street of the {p}?',
        'Tell me where the {p} is.',
        'Which street does the {p} stand on?',
        'Do you know where the {p} is?',
      ],
      ['On which street does the {p} stand?'],
      ['Which street is the {p} on?', 'Where does the {p} stand?', 'Tell me the street of the {p}.'],
    ),
    statements: ['The {p} is on {v}.', 'The {p} stands on {v}.', 'On {v} is the {p}.'],
    answer: 'The {p} is on {v}.',
    hop: templates([], [], []),
    claim: 'the {p} is on {v}',
  },
  keeper: {
    question: templates(
      [
        'Who keeps the {p}?',
        'Who is the keeper of the {p}?',
        'Which person keeps the {p}?',
        'Tell me who keeps the {p}.',
        'Who looks after the {p}?',
        'Do you know who keeps the {p}?',
      ],
      ['Tell me who looks after the {p}.'],
      ['Do you know the keeper of the {p}?', 'Tell me the keeper of the {p}.', 'Which person looks after the {p}?'],
    ),
    statements: ['{v} keeps the {p}.', 'The keeper of the {p} is {v}.', 'The {p} is kept by {v}.'],
    answer: 'The keeper of the {p} is {v}.',
    hop: templates([], [], []),
    claim: '{v} keeps the {p}',
  },
  opens: {
    question: templates(
      [
        'When does the {p} open?',
        'At what hour does the {p} open?',
        'What is the opening hour of the {p}?',
        'Tell me when the {p} opens.',
        'At which time does the {p} open?',
        'Do you know when the {p} opens?',
      ],
      ['At what time does the {p} open?'],
      ['At which hour does the {p} open?', 'Tell me the opening hour of the {p}.', 'What time does the {p} open?'],
    ),
    statements: ['The {p} opens at {v}.', 'The opening hour of the {p} is {v}.', 'At {v} the {p} opens.'],
    answer: 'The {p} opens at {v}.',
    hop: templates([], [], []),
    claim: 'the {p} opens at {v}',
  },
};

/** Questions against the direction in which facts are stated; only where the answer is one person or place. */
export const reverseTexts = {
  friend: {
    question: templates(
      [
        'Whose best friend is {v}?',
        'Who has {v} as best friend?',
        'Who calls {v} a friend?',
        'Tell me who calls {v} a friend.',
        'Do you know whose best friend {v} is?',
      ],
      ['Tell me whose best friend {v} is.'],
      ['Who has the best friend {v}?', 'Tell me who has {v} as best friend.'],
    ),
    answer: 'The best friend of {s} is {v}.',
  },
  keeper: {
    question: templates(
      [
        'What does {v} keep?',
        'Which place does {v} keep?',
        'What does {v} look after?',
        'Do you know which place {v} keeps?',
        'Tell me what {v} looks after.',
      ],
      ['Tell me what {v} keeps.'],
      ['Which place does {v} look after?', 'Tell me which place {v} keeps.'],
    ),
    answer: 'The keeper of the {s} is {v}.',
  },
} as const;

/** People described and not named, for two hops. */
export const descriptions = {
  friend: 'the best friend of {n}',
  keeper: 'the keeper of the {p}',
} as const;

/** Names, nicknames and people whom nobody knows. */
export const nicknameTexts = {
  statements: ['{full} is also called {nick}.', '{nick} is the other name of {first}.'],
  question: templates(
    ['Who is {nick}?', 'Who is called {nick}?', 'What is the real name of {nick}?'],
    ['Tell me who is called {nick}.'],
    ['Tell me who {nick} is.', 'Do you know who is called {nick}?'],
  ),
  answer: '{nick} is {full}.',
} as const;

export const unknownAnswer = 'I do not know {n}.';
