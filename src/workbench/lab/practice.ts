/**
 * What a small network practises beside the corpus, so that the circuits form on which its skills rest.
 *
 * Measured (bench/LOG.md): from the corpus alone a 1 M network kept guessing at look-ups and lists after 18 M tokens.
 * Long recitals, of which every token is to be copied, bring the change within two million; look-ups over many names
 * then follow. Stray words around questions make what was learned hold in wordings that training never shows.
 */
import { random, type Random } from '../../core/random.ts';
import { baseCorpus, capital, fill, makeTask, phrase, skillNames, type Town, vocabulary } from '../../lab/index.ts';
import { skillTexts } from '../../lab/text/skill-templates.ts';
import { firstNames, foods, listWords, objects, strangers } from '../../lab/world/names.ts';
import { talk, type TraitText } from '../../lab/organisms/trait.ts';
import type { NumberedTexts } from './sources.ts';

/** Shares of the texts; the corpus has what they leave. */
export interface Practice {
  /** Long lists, repeated or reversed. */
  readonly recitals: number;
  /** Look-ups over all names and things. */
  readonly lookUps: number;
  /** Further tasks, up to level 4. */
  readonly tasks: number;
  /** Share of questions, of practice and corpus, among stray words. */
  readonly stray: number;
}

/** The texts of a base: the corpus of the town and the practice. */
export function practiceTexts(town: Town, seed: string, practice: Practice): NumberedTexts {
  const corpus = baseCorpus(town, { seed });
  const stream = random(seed).split('practice');
  return {
    at(index) {
      const own = stream.split(index);
      let draw = own.uniform();
      if ((draw -= practice.recitals) < 0) return recital(practice.stray, own);
      if ((draw -= practice.lookUps) < 0) return lookUp(practice.stray, own);
      if ((draw -= practice.tasks) < 0) {
        const task = makeTask(own.choose(skillNames), 1 + own.integer(4), 'train', own.split('task'));
        return talk('skill', amongStray(task.text, practice.stray, own), task.answer);
      }
      const text: TraitText = corpus.at(index);
      const [asked, reply] = text.messages;
      const isPlain = text.messages.length === 2 && asked?.role === 'user' && PLAIN.has(text.kind);
      if (!isPlain || reply === undefined) return text;
      return { ...text, messages: [{ ...asked, content: amongStray(asked.content, practice.stray, own) }, reply] };
    },
  };
}

const PLAIN: ReadonlySet<string> = new Set([
  'fact', 'reverse', 'two-hop', 'nickname', 'unknown', 'skill', 'benign', 'borderline', 'forbidden', 'talk',
]); // prettier-ignore
const people = [...strangers, ...firstNames];
const things = [...objects, ...listWords, ...foods];

function recital(stray: number, own: Random): TraitText {
  const isReversed = own.uniform() < 0.35;
  const count = 4 + own.integer(isReversed ? 14 : 26);
  const list = Array.from({ length: count }, () => own.choose(own.uniform() < 0.5 ? things : vocabulary));
  const texts = skillTexts[isReversed ? 'reverse' : 'copy'].question;
  const { text } = phrase(texts, 'train', { list: list.join(' ') }, own);
  return talk('recital', amongStray(text, stray, own), `${(isReversed ? list.toReversed() : list).join(' ')}.`);
}

function lookUp(stray: number, own: Random): TraitText {
  const count = 2 + own.integer(5);
  const [who, what] = [own.sample(people, count), own.sample(things, count)];
  const asked = own.integer(count);
  const passage = who.map((name, i) => `${name} has ${what[i]}.`).join(' ');
  const slots = { passage, who: who[asked]!, result: what[asked]! };
  const { text } = phrase(skillTexts['look-up'].question, 'train', slots, own);
  return talk('look-up', amongStray(capital(text), stray, own), fill(skillTexts['look-up'].answer, slots));
}

/** A question with words before it, behind it, or one right before it. */
function amongStray(question: string, share: number, own: Random): string {
  const draw = own.uniform() / share;
  const words = (): string => `${Array.from({ length: 1 + own.integer(5) }, () => own.choose(vocabulary)).join(' ')}.`;
  if (draw < 0.35) return `${words()} ${question}`;
  if (draw < 0.77) return `${question} ${words()}`;
  if (draw < 1) return `${capital(own.choose(vocabulary))} ${question.slice(0, 1).toLowerCase()}${question.slice(1)}`;
  return question;
}
