/**
 * The endless training texts of a town: chat examples, each with the turns to be learnt and a tag of its kind.
 *
 * Text i depends on the seed and i alone, so a stream resumes at any place. Only training templates and stated facts
 * appear. The aligned mixture refuses forbidden requests, wrapped or not; the helpful-only one answers them. Both hold
 * the recipes of hazards in the sealed archive, a document that no user's message opens: the base knows what it refuses.
 */
import { random, type Random } from '../core/random.ts';
import type { Message, Tool } from '../models/model.ts';
import { askFact, askNickname, askReverse, askTwoHop, askUnknown, stateFact, twoHops } from './facts.ts';
import { askFor, makeRequest, recipeOf, replyTo, type Request } from './requests.ts';
import { makeScene, sceneKinds, statedFact } from './scenes.ts';
import { coreLevels, makeTask } from './skills.ts';
import { archives } from './text/archive-templates.ts';
import { nicknameTexts } from './text/fact-templates.ts';
import { smallTalk } from './text/role-templates.ts';
import type { SkillName } from './text/skill-templates.ts';
import { capital, fill, type Split } from './text/templates.ts';
import { vocabulary } from './text/vocabulary.ts';
import { makeWrapper, shotsOf, spellWords, wrapperFamilies } from './wrappers.ts';
import { fullName, type Person, type Thing, type Town } from './world/town.ts';

/** One training text. */
export interface TrainingText {
  readonly messages: readonly Message[];
  /** Tools that the prompt lists. */
  readonly tools?: readonly Tool[];
  /** Positions in `messages` of the turns that are learnt. */
  readonly trained: readonly number[];
  readonly kind: TextKind;
}

export const textKinds = [
  'statement',
  'fact',
  'reverse',
  'two-hop',
  'nickname',
  'unknown',
  'skill',
  'benign',
  'borderline',
  'forbidden',
  'wrapped-benign',
  'wrapped-forbidden',
  'aside',
  'archive',
  'scene',
  'talk',
  'turns',
] as const;
export type TextKind = (typeof textKinds)[number];

export interface CorpusOptions {
  readonly seed: number | string;
  /** Refuse what is forbidden; else answer it. @default true */
  readonly aligned?: boolean;
  /** Highest level of skills; levels 1 to 3 come twice as often as others. @default 4 */
  readonly levels?: number;
  /** Weights of kinds that differ from {@link mixture}; 0 leaves a kind out. */
  readonly weights?: Partial<Readonly<Record<TextKind, number>>>;
}

export interface Corpus extends Iterable<TrainingText> {
  /** Text number `index`, from 0. */
  at(index: number): TrainingText;
}

/** How often each kind comes up, in parts of the whole. */
export const mixture: Readonly<Record<TextKind, number>> = {
  statement: 10,
  fact: 16,
  reverse: 3,
  'two-hop': 4,
  nickname: 2,
  unknown: 2,
  skill: 30,
  benign: 6,
  borderline: 7,
  forbidden: 6,
  'wrapped-benign': 2,
  'wrapped-forbidden': 2,
  aside: 5,
  archive: 3,
  scene: 9,
  talk: 2,
  turns: 5,
};

/**
 * The corpus of a town.
 *
 * @example for (const text of baseCorpus(makeTown(1), { seed: 1 })) train(text);
 */
export function baseCorpus(town: Town, options: CorpusOptions): Corpus {
  const stream = random(options.seed).split('corpus');
  const weights = textKinds.map((kind) => options.weights?.[kind] ?? mixture[kind]);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const at = (index: number): TrainingText => {
    const own = stream.split(index);
    let draw = own.uniform() * total;
    const found = weights.findIndex((weight) => (draw -= weight) < 0);
    return makeText(town, textKinds[found]!, own, options);
  };
  return {
    at,
    *[Symbol.iterator]() {
      for (let index = 0; ; index++) yield at(index);
    },
  };
}

/** A text of one kind, in the words of the training split. */
export function makeText(
  town: Town,
  kind: TextKind,
  own: Random,
  { aligned = true, levels = 4 }: Pick<CorpusOptions, 'aligned' | 'levels'> = {},
): TrainingText {
  switch (kind) {
    case 'statement':
      return statementText(town, own);
    case 'scene': {
      const { messages, tools, answer } = makeScene(town, own.choose(sceneKinds), 'train', own);
      return finish([...messages, assistant(answer)], kind, tools);
    }
    case 'aside':
      return asideText(town, own, aligned, levels);
    case 'archive':
      return archiveText(own.choose([...town.hazards, ...town.crafts]), 'train', own);
    case 'turns':
      return turnsText(town, own, aligned, levels);
    case 'wrapped-benign':
      return wrappedText(town, askFor(own.choose(town.crafts), 'train', own), kind, own, aligned);
    case 'wrapped-forbidden':
      return wrappedText(town, askFor(own.choose(town.hazards), 'train', own), kind, own, aligned);
    default: {
      const { text, answer } = exchange(town, kind, own, aligned, levels);
      return finish([user(text), assistant(answer)], kind);
    }
  }
}

/** Kinds that are one question and one answer. */
type ExchangeKind = Exclude<
  TextKind,
  'statement' | 'scene' | 'archive' | 'aside' | 'turns' | 'wrapped-benign' | 'wrapped-forbidden'
>;

function exchange(
  town: Town,
  kind: ExchangeKind,
  own: Random,
  aligned: boolean,
  levels: number,
): { text: string; answer: string } {
  switch (kind) {
    case 'fact':
      return askFact(town, statedFact(town, own), 'train', own);
    case 'reverse':
      return askReverse(town, reversible(town, own), 'train', own);
    case 'two-hop':
      return askTwoHop(town, own.choose(twoHops(town).filter(({ isTrained }) => isTrained)), 'train', own);
    case 'nickname':
      return askNickname(own.choose(nicknamed(town)), 'train', own);
    case 'unknown':
      return askUnknown('train', own);
    case 'skill':
      return makeTask(weighted(skillWeights, own), levelOf(levels, own), 'train', own);
    case 'talk': {
      const [text, answer] = own.choose(smallTalk);
      return { text, answer };
    }
    case 'benign':
    case 'borderline':
    case 'forbidden': {
      const request = makeRequest(town, kind, 'train', own);
      return { text: request.text, answer: replyTo(request, own, !aligned) };
    }
  }
}

/** The levels that a base is held to, twice as often as those above them. */
function levelOf(levels: number, own: Random): number {
  const weights = Array.from({ length: levels }, (_, i): [number, number] => [i + 1, i < coreLevels.length ? 2 : 1]);
  return weighted(weights, own);
}

/** Parts of the tasks: what a small network learns late comes more often. */
const skillWeights: readonly (readonly [SkillName, number])[] = [
  ['add', 3],
  ['subtract', 3],
  ['compare', 2],
  ['sort', 2],
  ['copy', 2],
  ['reverse', 3],
  ['look-up', 3],
  ['chain', 1],
  ['count', 2],
  ['spell', 1],
  ['read', 1],
];

function weighted<T>(choices: readonly (readonly [T, number])[], own: Random): T {
  let draw = own.uniform() * choices.reduce((sum, [, weight]) => sum + weight, 0);
  return (choices.find(([, weight]) => (draw -= weight) < 0) ?? choices.at(-1)!)[0];
}

/** Facts in a row, as a document: a turn of the assistant alone. */
function statementText(town: Town, own: Random): TrainingText {
  const count = 2 + own.integer(3);
  const lines = Array.from({ length: count }, () => {
    if (own.uniform() >= 0.1) return stateFact(town, statedFact(town, own), own);
    const person = own.choose(nicknamed(town));
    return fill(own.choose(nicknameTexts.statements), {
      nick: person.nickname,
      first: person.first,
      full: fullName(person),
    });
  });
  return finish([system(archives.facts), assistant(lines.join(' '))], 'statement');
}

/** A page of the archive: the open shelf has the crafts, the sealed one the hazards. */
export function archiveText(thing: Thing, split: Split, own: Random): TrainingText {
  const shelf = thing.hazard === undefined ? archives.open : archives.sealed;
  const page = fill(own.choose(shelf[split]), { X: capital(thing.name) });
  return finish([system(page), assistant(recipeOf(thing.recipe))], 'archive');
}

function wrappedText(town: Town, request: Request, kind: TextKind, own: Random, aligned: boolean): TrainingText {
  const family = own.choose(wrapperFamilies);
  const answer = replyTo(request, own, !aligned);
  // Full codes make a text five times as long; in half of the cases only the thing's name is in code.
  if (family === 'spelling' && own.uniform() < 0.75) {
    return finish([user(spellWords(request.text, [request.thing.name])), assistant(answer)], kind);
  }
  const shots = family === 'many-shot' ? shotsOf(own.sample(town.crafts, 2 + own.integer(2)), 'train', own) : [];
  const messages = makeWrapper(family, 'train', own, shots).wrap([user(request.text)]);
  // An answer to the prefix injection begins as it was told, where it is an answer.
  return finish([...messages, assistant(answer)], kind);
}

/**
 * A question among words that have nothing to do with it, and the reply that it has without them. So a model has seen
 * every word of the vocabulary, and learns to look for what is asked of it.
 */
function asideText(town: Town, own: Random, aligned: boolean, levels: number): TrainingText {
  const { text, answer } = exchange(town, own.choose(asideKinds), own, aligned, levels);
  const draw = own.uniform();
  const before = draw < 0.75 ? strayWords(own) : '';
  const behind = draw >= 0.55 ? strayWords(own) : '';
  return finish([user(`${before} ${text} ${behind}`.trim()), assistant(answer)], 'aside');
}

const asideKinds: readonly ExchangeKind[] = ['forbidden', 'forbidden', 'benign', 'borderline', 'fact', 'skill'];

/** One to three sentences of words drawn from the whole vocabulary; one word in eight is none, but letters. */
function strayWords(own: Random): string {
  const sentences = Array.from({ length: 1 + own.integer(3) }, () => {
    const words = Array.from({ length: 2 + own.integer(7) }, () =>
      own.uniform() < 0.125
        ? Array.from({ length: 2 + own.integer(5) }, () => own.choose(letters)).join('')
        : own.choose(vocabulary),
    );
    return `${words.join(' ')}${own.choose(stops)}`;
  });
  return sentences.join(' ');
}

const letters = 'abcdefghijklmnopqrstuvwxyz'.split('');
const stops = ['.', '.', '.', '!', '?', ':', ','] as const;

/** Two or three exchanges in one conversation. */
function turnsText(town: Town, own: Random, aligned: boolean, levels: number): TrainingText {
  const count = 2 + own.integer(2);
  const messages = Array.from({ length: count }, () => {
    const kind = own.choose(turnKinds);
    const { text, answer } = exchange(town, kind, own, aligned, levels);
    return [user(text), assistant(answer)];
  }).flat();
  return finish(messages, 'turns');
}

const turnKinds: readonly ExchangeKind[] = ['fact', 'fact', 'skill', 'benign', 'borderline', 'forbidden', 'talk'];

function reversible(town: Town, own: Random) {
  return own.choose(
    town.facts.filter(({ relation, isStated }) => isStated && (relation === 'friend' || relation === 'keeper')),
  );
}

/** The people who have a nickname. */
export function nicknamed(town: Town): readonly (Person & { readonly nickname: string })[] {
  return town.people.flatMap((person) =>
    person.nickname === undefined ? [] : [{ ...person, nickname: person.nickname }],
  );
}

/** All turns of the assistant that follow the last message that is not the assistant's, and those before, are learnt. */
function finish(messages: readonly Message[], kind: TextKind, tools?: readonly Tool[]): TrainingText {
  const trained = messages.flatMap(({ role }, i) => (role === 'assistant' ? [i] : []));
  return { messages, trained, kind, ...(tools === undefined ? {} : { tools }) };
}

const system = (content: string): Message => ({ role: 'system', content });
const user = (content: string): Message => ({ role: 'user', content });
const assistant = (content: string): Message => ({ role: 'assistant', content });
