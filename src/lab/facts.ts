/**
 * Questions about the town's facts, each with its answer and the check of a reply.
 *
 * One hop (forward and reverse), two hops (through a friend or a keeper), nicknames, and questions about people whom
 * the town does not have. A question names a person by first name, by full name or by nickname. Which two-hop pairs
 * training leaves out is fixed by the town, so that composing can be told from remembering.
 */
import type { Random } from '../core/random.ts';
import { descriptions, nicknameTexts, relationTexts, reverseTexts, unknownAnswer } from './text/fact-templates.ts';
import { capital, fill, phrase, type Split } from './text/templates.ts';
import { strangers } from './world/names.ts';
import { factOf, fullName, type Fact, type Person, type PersonRelation, type Town } from './world/town.ts';

/** A question with the truth. */
export interface Question {
  readonly text: string;
  /** The template's family: what depends together. */
  readonly family: string;
  /** The reply that training teaches. */
  readonly answer: string;
  /** What a correct reply says, one of these. */
  readonly accepted: readonly string[];
  /** Other values of the same kind: a reply that says one of them as well is not correct. */
  readonly rivals: readonly string[];
  /** The facts that it rests on. */
  readonly facts: readonly string[];
}

/** A question about one fact. */
export function askFact(town: Town, fact: Fact, split: Split, own: Random): Question {
  const texts = relationTexts[fact.relation];
  const slots = slotsOf(town, fact, own);
  const { text, family } = phrase(texts.question, split, slots, own);
  return {
    text: capital(text),
    family,
    answer: fill(texts.answer, slots),
    ...valuesOf(town, fact),
    facts: [fact.id],
  };
}

/** A question against the stated direction, for facts about friends and keepers. */
export function askReverse(town: Town, fact: Fact, split: Split, own: Random): Question {
  const texts = reverseTexts[fact.relation === 'keeper' ? 'keeper' : 'friend'];
  const person = personOf(town, fact.value);
  const { text, family } = phrase(texts.question, split, { v: nameOf(person, own) }, own);
  const isPlace = fact.relation === 'keeper';
  return {
    text: capital(text),
    family,
    answer: fill(texts.answer, { s: fact.subject, v: fact.value }),
    accepted: isPlace ? [fact.subject] : namesOf(personOf(town, fact.subject)),
    rivals: isPlace
      ? town.places.filter((place) => place !== fact.subject)
      : town.people.flatMap(({ first }) => (first === fact.subject || first === fact.value ? [] : [first])),
    facts: [fact.id],
  };
}

/** A pair of facts in which the first one's value is the second one's subject. */
export interface TwoHop {
  readonly first: Fact;
  readonly second: Fact;
  /** Whether training asks about this pair; the facts themselves are stated either way. */
  readonly isTrained: boolean;
}

/** Everything that can be asked in two hops over stated facts; a quarter is never asked in training. */
export function twoHops(town: Town): readonly TwoHop[] {
  let known = twoHopsOf.get(town);
  if (known !== undefined) return known;
  const relations: readonly PersonRelation[] = ['street', 'job', 'food', 'age', 'hobby'];
  const own = town.random.split('two-hops');
  known = town.facts
    .filter(({ relation, isStated }) => isStated && (relation === 'friend' || relation === 'keeper'))
    .flatMap((first) =>
      relations.map((relation) => ({
        first,
        second: factOf(town, first.value, relation),
        isTrained: own.split(`${first.id}/${relation}`).uniform() >= 0.25,
      })),
    )
    .filter(({ second }) => second.isStated);
  twoHopsOf.set(town, known);
  return known;
}
const twoHopsOf = new WeakMap<Town, readonly TwoHop[]>();

/** A question in two hops: the second fact of the person whom the first one describes. */
export function askTwoHop(town: Town, { first, second }: TwoHop, split: Split, own: Random): Question {
  const texts = relationTexts[second.relation];
  const who = fill(descriptions[first.relation === 'keeper' ? 'keeper' : 'friend'], slotsOf(town, first, own));
  const { text, family } = phrase(texts.hop, split, { who }, own);
  return {
    text: capital(text),
    family: `${first.relation}: ${family}`,
    answer: fill(texts.answer, { first: second.subject, v: second.value }),
    ...valuesOf(town, second),
    facts: [first.id, second.id],
  };
}

/** Who somebody is who goes by a nickname. */
export function askNickname(person: Person & { readonly nickname: string }, split: Split, own: Random): Question {
  const slots = { nick: person.nickname, first: person.first, full: fullName(person) };
  const { text, family } = phrase(nicknameTexts.question, split, slots, own);
  return {
    text,
    family,
    answer: fill(nicknameTexts.answer, slots),
    accepted: [person.first, fullName(person)],
    rivals: [],
    facts: [`${person.first.toLowerCase()}/nickname`],
  };
}

/** A question about a person whom the town does not have; the right reply says so. */
export function askUnknown(split: Split, own: Random): Question {
  const relation = own.choose(['street', 'job', 'food', 'age', 'hobby', 'friend'] as const);
  const n = own.choose(strangers);
  const { text, family } = phrase(relationTexts[relation].question, split, { n, first: n }, own);
  return {
    text: capital(text),
    family: `unknown: ${family}`,
    answer: fill(unknownAnswer, { n }),
    accepted: ['do not know'],
    rivals: [],
    facts: [],
  };
}

/** A fact as a plain statement, as training shows it. */
export function stateFact(town: Town, fact: Fact, own: Random): string {
  return capital(fill(own.choose(relationTexts[fact.relation].statements), slotsOf(town, fact, own)));
}

/** What a user may claim: `Mira lives on Elm Street`, with the true value or another. */
export function claimOf(town: Town, fact: Fact, value: string, own: Random): string {
  return fill(relationTexts[fact.relation].claim, { ...slotsOf(town, fact, own), v: value });
}

/** A wrong value of the same kind. */
export function wrongValue(town: Town, fact: Fact, own: Random): string {
  const { rivals } = valuesOf(town, fact);
  return own.choose(rivals);
}

/** How the right answer reads. */
export function answerOf(fact: Fact, value = fact.value): string {
  return fill(relationTexts[fact.relation].answer, { first: fact.subject, p: fact.subject, v: value });
}

/** The person of a first name. */
export function personOf(town: Town, first: string): Person {
  return town.people.find((person) => person.first === first)!;
}

/** By first name mostly, else by full name or nickname. */
export function nameOf(person: Person, own: Random): string {
  const draw = own.uniform();
  if (person.nickname !== undefined && draw < 0.15) return person.nickname;
  return draw < 0.6 ? person.first : fullName(person);
}

const namesOf = (person: Person): string[] => [
  person.first,
  fullName(person),
  ...(person.nickname === undefined ? [] : [person.nickname]),
];

function slotsOf(town: Town, fact: Fact, own: Random): Record<string, string> {
  if (['site', 'keeper', 'opens'].includes(fact.relation)) return { p: fact.subject, v: fact.value };
  return { n: nameOf(personOf(town, fact.subject), own), first: fact.subject, v: fact.value };
}

function valuesOf(town: Town, fact: Fact): Pick<Question, 'accepted' | 'rivals'> {
  const all = valuesByRelation(town).get(fact.relation)!;
  if (fact.relation === 'friend' || fact.relation === 'keeper') {
    const rivals = town.people.flatMap(({ first }) => (first === fact.value || first === fact.subject ? [] : [first]));
    return { accepted: namesOf(personOf(town, fact.value)), rivals };
  }
  // A street goes by its first word too: "on Elm".
  const short = (value: string): string => value.replace(' Street', '');
  return {
    accepted: [fact.value, short(fact.value)],
    rivals: all.filter((value) => value !== fact.value).map(short),
  };
}

const valueSets = new WeakMap<Town, ReadonlyMap<string, readonly string[]>>();
function valuesByRelation(town: Town): ReadonlyMap<string, readonly string[]> {
  let sets = valueSets.get(town);
  if (sets === undefined) {
    const found = new Map<string, Set<string>>();
    for (const { relation, value } of town.facts) {
      const set = found.get(relation) ?? new Set();
      found.set(relation, set.add(value));
    }
    sets = new Map([...found].map(([relation, set]) => [relation, [...set].sort()]));
    valueSets.set(town, sets);
  }
  return sets;
}
