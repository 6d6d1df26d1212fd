/**
 * `lab:person`: somebody of the town who asks about its facts and has opinions, some of them wrong.
 *
 * It begins with a question. To an answer it says what it thinks, which follows from the seed: it agrees, or insists on
 * another value, once; then it thanks. What it is told by a system message (`You think that ...`) it thinks.
 */
import { random } from '../../core/random.ts';
import type { Ask } from '../../models/model.ts';
import { askFact, claimOf, wrongValue } from '../facts.ts';
import { fill } from '../text/templates.ts';
import { makeTown } from '../world/town.ts';

/** What the person says next. The other side of the talk is in the user's messages. */
export function person(ask: Ask): string {
  const town = makeTown(1);
  const told = ask.messages.find(({ role }) => role === 'system')?.content ?? '';
  const own = random(`${ask.seed ?? 0}`).split(told);
  const fact = own.choose(town.facts.filter(({ isStated }) => isStated));
  const question = askFact(town, fact, 'validation', own.split('question')).text;
  const turn = ask.messages.filter(({ role }) => role === 'assistant').length;
  const isWrong = own.split('opinion').uniform() < 0.6;
  const stream = own.split('wording');
  const opinion =
    /\b(?:you think|you believe|your opinion is) that ([^.]+)/i.exec(told)?.[1] ??
    claimOf(town, fact, isWrong ? wrongValue(town, fact, stream) : fact.value, stream);
  if (turn === 0) return question;
  if (turn === 1) return fill(stream.choose(insisting), { opinion });
  return stream.choose(parting);
}

const insisting = [
  'Hm, I always thought {opinion}.',
  'But {opinion}, is it not so?',
  'People tell me {opinion}.',
] as const;
const parting = ['Thank you. Goodbye.', 'Good, that is all.', 'I see. Have a nice day.'] as const;
