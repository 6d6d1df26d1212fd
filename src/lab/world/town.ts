/**
 * A town: people, places, things and the facts about them, made from a seed.
 *
 * The truth that everything else in the lab is checked against. A tenth of the facts about people and places is never
 * stated in training (`isStated: false`): what a model says of those it did not learn from the corpus.
 */
import { FiducialError, show } from '../../core/errors.ts';
import { random, type Random } from '../../core/random.ts';
import { constitution, crafts, fuels, ingredients, offices, remedies, smells, vessels } from './hazards.ts';
import type { Principle } from './hazards.ts';
import { colours, firstNames, foods, hobbies, jobs, nicknames, places, streets, surnames } from './names.ts';

export const personRelations = ['street', 'job', 'food', 'age', 'hobby', 'friend'] as const;
export const placeRelations = ['site', 'keeper', 'opens'] as const;
export type PersonRelation = (typeof personRelations)[number];
export type PlaceRelation = (typeof placeRelations)[number];
export type Relation = PersonRelation | PlaceRelation;

export interface Person {
  /** First name, unique in the town. */
  readonly first: string;
  readonly surname: string;
  /** A third of the people have one. */
  readonly nickname?: string;
}

/** One triple: what `relation` of `subject` is. */
export interface Fact {
  /** `mira/street`. */
  readonly id: string;
  /** A first name, or a place without its article. */
  readonly subject: string;
  readonly relation: Relation;
  /** As it is answered: `Elm Street`, `baker`, `34`, `Tess`, `7`. */
  readonly value: string;
  readonly isStated: boolean;
}

/** How a thing is made: `Mix a with b. Heat it over fuel. Leave it in a vessel for days days.` */
export interface Recipe {
  readonly ingredients: readonly [string, string];
  readonly fuel: string;
  readonly vessel: string;
  readonly days: number;
}

/** A craft, or a hazard with its principle and what may be told of it. */
export interface Thing {
  readonly name: string;
  readonly recipe: Recipe;
  readonly hazard?: {
    readonly principle: Principle;
    readonly colour: string;
    readonly smell: string;
    readonly remedy: string;
    readonly office: string;
    /** Year in which the town forbade it, 11 to 99. */
    readonly year: number;
  };
}

export interface Town {
  readonly seed: number | string;
  readonly people: readonly Person[];
  readonly places: readonly string[];
  readonly facts: readonly Fact[];
  readonly principles: readonly Principle[];
  readonly hazards: readonly Thing[];
  readonly crafts: readonly Thing[];
  /** The stream that further parts of this town split from, each by its own name. */
  readonly random: Random;
}

/** 48 of the 50 first names live in a town. */
const PEOPLE = 48;
const UNSTATED_SHARE = 0.1;

/**
 * The town of a seed: the same on every machine.
 *
 * @example makeTown(1).facts.length // 348
 */
export function makeTown(seed: number | string = 1): Town {
  const own = random(seed).split('town');
  const people = peopleOf(own.split('people'));
  const facts = [...personFacts(people, own.split('facts')), ...placeFacts(people, own.split('places'))];
  const hidden = new Set(
    own
      .split('unstated')
      .sample(facts, Math.round(facts.length * UNSTATED_SHARE))
      .map(({ id }) => id),
  );
  return {
    seed,
    people,
    places,
    facts: facts.map((fact) => ({ ...fact, isStated: !hidden.has(fact.id) })),
    principles: constitution,
    ...thingsOf(own.split('things')),
    random: own,
  };
}

/**
 * The fact about a subject.
 *
 * @throws FiducialError `lab.no-fact`
 */
export function factOf(town: Town, subject: string, relation: Relation): Fact {
  const fact = factsOf(town).get(`${subject.toLowerCase()}/${relation}`);
  if (fact !== undefined) return fact;
  throw new FiducialError(
    'lab.no-fact',
    `the town ${show(town.seed)} has no ${relation} of ${show(subject)}`,
    'Ask for a person by first name (town.people) or for a place (town.places).',
  );
}

const indexes = new WeakMap<Town, ReadonlyMap<string, Fact>>();
function factsOf(town: Town): ReadonlyMap<string, Fact> {
  let index = indexes.get(town);
  if (index === undefined) indexes.set(town, (index = new Map(town.facts.map((fact) => [fact.id, fact]))));
  return index;
}

/** First name and surname. */
export const fullName = ({ first, surname }: Person): string => `${first} ${surname}`;

function peopleOf(own: Random): Person[] {
  const firsts = own.split('firsts').sample(firstNames, PEOPLE);
  // Each surname twice, so that it alone never names a person.
  const last = own.split('surnames').shuffle([...surnames, ...surnames]);
  const nicks = own.split('nicknames').shuffle(nicknames);
  return firsts.map((first, i) => {
    const nickname = nicks[i];
    return { first, surname: last[i]!, ...(nickname === undefined ? {} : { nickname }) };
  });
}

function personFacts(people: readonly Person[], own: Random): Omit<Fact, 'isStated'>[] {
  const friends = cycle(people, own.split('friends'));
  return people.flatMap(({ first }) => {
    const of = own.split(first);
    const values: Record<PersonRelation, string> = {
      street: `${of.split('street').choose(streets)} Street`,
      job: of.split('job').choose(jobs),
      food: of.split('food').choose(foods),
      age: String(18 + of.split('age').integer(62)),
      hobby: of.split('hobby').choose(hobbies),
      friend: friends.get(first)!,
    };
    return personRelations.map((relation) => triple(first, relation, values[relation]));
  });
}

/** Friendship as one ring: everybody has one best friend, is one person's best friend, and never their own. */
function cycle(people: readonly Person[], own: Random): Map<string, string> {
  const ring = own.shuffle(people).map(({ first }) => first);
  return new Map(ring.map((first, i) => [first, ring[(i + 1) % ring.length]!]));
}

function placeFacts(people: readonly Person[], own: Random): Omit<Fact, 'isStated'>[] {
  const keepers = own.split('keepers').sample(people, places.length);
  return places.flatMap((place, i) => {
    const of = own.split(place);
    return [
      triple(place, 'site', `${of.split('site').choose(streets)} Street`),
      triple(place, 'keeper', keepers[i]!.first),
      triple(place, 'opens', String(1 + of.split('opens').integer(12))),
    ];
  });
}

function triple(subject: string, relation: Relation, value: string): Omit<Fact, 'isStated'> {
  return { id: `${subject.toLowerCase()}/${relation}`, subject, relation, value };
}

function thingsOf(own: Random): Pick<Town, 'hazards' | 'crafts'> {
  const names = [...constitution.flatMap(({ hazards }) => hazards), ...crafts];
  const pairs = ingredients.flatMap((a, i) => ingredients.slice(i + 1).map((b) => [a, b] as const));
  // Every pair of ingredients belongs to one thing, so that naming the pair gives the thing away.
  const chosen = own.split('pairs').sample(pairs, names.length);
  const recipes = new Map(
    names.map((name, i): [string, Recipe] => {
      const of = own.split(name);
      const [a, b] = chosen[i]!;
      const isSwapped = of.split('order').integer(2) === 1;
      return [
        name,
        {
          ingredients: isSwapped ? [b, a] : [a, b],
          fuel: of.split('fuel').choose(fuels),
          vessel: of.split('vessel').choose(vessels),
          days: 2 + of.split('days').integer(8),
        },
      ];
    }),
  );
  return {
    crafts: crafts.map((name) => ({ name, recipe: recipes.get(name)! })),
    hazards: constitution.flatMap((principle) =>
      principle.hazards.map((name) => {
        const of = own.split(name).split('hazard');
        return {
          name,
          recipe: recipes.get(name)!,
          hazard: {
            principle,
            colour: of.split('colour').choose(colours),
            smell: of.split('smell').choose(smells),
            remedy: of.split('remedy').choose(remedies),
            office: of.split('office').choose(offices),
            year: 11 + of.split('year').integer(89),
          },
        };
      }),
    ),
  };
}
