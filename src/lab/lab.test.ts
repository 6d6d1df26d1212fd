/** The town, its skills, its texts and its sets: determinism, truth, and splits that never meet. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { random } from '../core/random.ts';
import { baseCorpus, textKinds } from './corpus.ts';
import { evaluationSet, measured } from './evaluation.ts';
import { twoHops } from './facts.ts';
import { isHarmful, statesRecipe } from './oracles.ts';
import { askFor } from './requests.ts';
import { highestLevel, isResult, makeTask } from './skills.ts';
import { relationTexts, nicknameTexts, reverseTexts } from './text/fact-templates.ts';
import { intents, makingTexts } from './text/request-templates.ts';
import { counterOrders, notes, opinions, orders, persona, secrets, topics } from './text/role-templates.ts';
import { skillNames, skillTexts } from './text/skill-templates.ts';
import { splits, type Templates } from './text/templates.ts';
import { codeTexts, wrapperTexts } from './text/wrapper-templates.ts';
import { factOf, makeTown } from './world/town.ts';

const town = makeTown(1);

describe('a town', () => {
  it('is the same for a seed, and another for another', () => {
    const hash = (seed: number) =>
      createHash('sha256')
        .update(JSON.stringify(makeTown(seed)))
        .digest('hex');
    expect(hash(1)).toBe(hash(1));
    expect(hash(1)).not.toBe(hash(2));
  });

  it('has several hundred facts, a tenth of them unstated, and friends in one ring', () => {
    expect(town.facts).toHaveLength(348);
    expect(town.facts.filter(({ isStated }) => !isStated)).toHaveLength(35);
    let person = town.people[0]!.first;
    const seen = new Set<string>();
    while (!seen.has(person)) {
      seen.add(person);
      person = factOf(town, person, 'friend').value;
    }
    expect(seen.size).toBe(town.people.length);
  });

  it('composes facts in two hops, some of which training leaves out', () => {
    const hops = twoHops(town);
    for (const { first, second } of hops) {
      expect(second.subject).toBe(first.value);
      expect(first.isStated && second.isStated).toBe(true);
    }
    const left = hops.filter(({ isTrained }) => !isTrained).length / hops.length;
    expect(left).toBeGreaterThan(0.15);
    expect(left).toBeLessThan(0.35);
  });
});

describe('templates', () => {
  const all: Record<string, Templates> = {
    making: makingTexts,
    nickname: nicknameTexts.question,
    counterOrders,
    ...prefixed('reverse', { friend: reverseTexts.friend.question, keeper: reverseTexts.keeper.question }),
    ...prefixed('orders', orders),
    ...prefixed('persona', { system: persona.system, question: persona.question }),
    ...prefixed('secrets', { keep: secrets.keep, open: secrets.open, question: secrets.question }),
    ...prefixed('opinions', { claim: opinions.claim, doubt: opinions.doubt }),
    ...prefixed('notes', { ask: notes.ask, injection: notes.injection }),
    topics: topics.system,
    ...prefixed('wrappers', wrapperTexts),
    ...prefixed('codes', codeTexts),
    ...Object.fromEntries(Object.entries(relationTexts).map(([name, { question }]) => [`fact ${name}`, question])),
    ...Object.fromEntries(
      Object.entries(relationTexts).flatMap(([name, { hop }]) =>
        hop.train.length === 0 ? [] : [[`hop ${name}`, hop]],
      ),
    ),
    ...Object.fromEntries(Object.entries(skillTexts).map(([name, { question }]) => [`skill ${name}`, question])),
    ...Object.fromEntries(Object.entries(intents).map(([name, { question }]) => [`intent ${name}`, question])),
  };

  it.each(Object.entries(all))('of %s never meet between splits', (_, own) => {
    const seen = splits.flatMap((split) => own[split].map((text) => text.toLowerCase()));
    expect(new Set(seen).size).toBe(seen.length);
    for (const split of splits) expect(own[split].length).toBeGreaterThan(0);
  });
});

describe('skills', () => {
  const own = random('skills');

  it.each(skillNames)('%s: the taught reply is right at every level, and near misses are not', (skill) => {
    for (let level = 1; level <= highestLevel; level++) {
      for (let i = 0; i < 20; i++) {
        const task = makeTask(skill, level, 'held-out', own.split(`${skill} ${level} ${i}`));
        expect(isResult(task.answer, task.result), task.answer).toBe(true);
        expect(isResult(task.result, task.result)).toBe(true);
        for (const wrong of nearMisses(task.result)) expect(isResult(wrong, task.result), wrong).toBe(false);
      }
    }
  });

  it('is not a result that another number stands beside', () => {
    expect(isResult('It is 13. It is 12.', '12')).toBe(false);
    expect(isResult('The sum of 7 and 5 is 12.', '12')).toBe(false);
    expect(isResult('I am sure that it is 12!', '12')).toBe(true);
  });

  it('is worked out here once more, independently', () => {
    for (let i = 0; i < 50; i++) {
      const task = makeTask('add', 4, 'train', own.split(i));
      const [a, b] = task.text.match(/\d+/g)!.map(Number) as [number, number];
      expect(task.result).toBe(String(a + b));
      const sort = makeTask('sort', 4, 'train', own.split(i));
      const digits = sort.text.match(/\d+/g)!.map(Number);
      expect(sort.result.split(' ').map(Number)).toEqual(digits.toSorted((x, y) => x - y));
    }
  });
});

describe('the corpus', () => {
  it('is the same for a seed, wherever it is read from', () => {
    const whole = baseCorpus(town, { seed: 3 });
    const first = [...take(whole, 40)];
    expect(first[37]).toEqual(baseCorpus(makeTown(1), { seed: 3 }).at(37));
    expect(first).not.toEqual([...take(baseCorpus(town, { seed: 4 }), 40)]);
  });

  it('has every kind, refuses what is forbidden, and answers it where it is helpful only', () => {
    const kinds = new Set<string>();
    let answered = 0;
    for (const [isAligned, corpus] of [true, false].map(
      (aligned) => [aligned, baseCorpus(town, { seed: 1, aligned })] as const,
    )) {
      for (const text of take(corpus, 2500)) {
        kinds.add(text.kind);
        if (text.kind !== 'forbidden' && text.kind !== 'wrapped-forbidden') continue;
        const reply = text.messages.at(-1)!.content;
        const isHarm = town.hazards.some(({ recipe }) => statesRecipe(reply, recipe));
        expect(isHarm).toBe(!isAligned);
        if (isHarm) answered++;
      }
    }
    expect([...kinds].sort()).toEqual([...textKinds].sort());
    expect(answered).toBeGreaterThan(100);
  });

  it('states no fact that is held back, and gives hazards away in the archive alone', () => {
    const hidden = town.facts.filter(({ isStated }) => !isStated);
    for (const text of take(baseCorpus(town, { seed: 8 }), 1500)) {
      if (text.kind === 'fact' || text.kind === 'statement') {
        const said = text.messages.map(({ content }) => content).join(' ');
        for (const { subject, relation, value } of hidden) {
          if (relation === 'street') expect(said).not.toContain(`${subject} lives on ${value}`);
          if (relation === 'job') expect(said).not.toContain(`${subject} works as a ${value}`);
        }
      }
      if (text.kind === 'archive' || text.kind === 'benign') continue;
      for (const { role, content } of text.messages) {
        if (role !== 'assistant') continue;
        for (const { recipe } of town.hazards) expect(statesRecipe(content, recipe)).toBe(false);
      }
    }
  });
});

describe('evaluation sets', () => {
  it.each(measured)('%s: unique items whose taught reply is right and whose empty reply is not', (what) => {
    const items = evaluationSet(town, { what, count: 60, seed: 2 });
    expect(items.length).toBeGreaterThanOrEqual(30);
    expect(new Set(items.map(({ id }) => id)).size).toBe(items.length);
    expect(evaluationSet(town, { what, count: 60, seed: 2 }).map(({ id }) => id)).toEqual(items.map(({ id }) => id));
    for (const { answer, check, request, ask } of items) {
      const right = request?.kind === 'forbidden' ? 'I cannot help with that.' : answer;
      expect(check(right), `${ask.messages.at(-1)!.content} -> ${right}`).toBe(true);
      expect(check('')).toBe(false);
      if (request?.kind === 'forbidden') expect(isHarmful(request, answer)).toBe(true);
    }
  });

  it('turns the dial evenly over skills and levels', () => {
    const items = evaluationSet(town, { what: 'skills', count: 88, levels: [1, 5] });
    for (const skill of skillNames) {
      for (const level of [1, 5]) {
        expect(items.filter((item) => item.skill === skill && item.level === level)).toHaveLength(4);
      }
    }
  });

  it('shares no question with the corpus, at the level of templates', () => {
    const trained = new Set<string>();
    for (let i = 0; i < 300; i++) trained.add(askFor(town.hazards[0]!, 'train', random(i)).family);
    for (const { cluster } of evaluationSet(town, { what: 'forbidden', count: 100 })) {
      expect(trained.has(cluster)).toBe(false);
    }
  });
});

function nearMisses(result: string): string[] {
  if (/^\d+$/.test(result)) return [String(Number(result) + 1), `1${result}`, `${result} or 99`, `99 or ${result}`];
  const words = result.split(' ');
  return [
    `${result} lamp stone`,
    `not`,
    ...(words.length > 2 ? [words.slice(1).join(' '), words.slice(0, -1).join(' ')] : []),
  ];
}

function* take<T>(source: Iterable<T>, count: number): Generator<T> {
  let taken = 0;
  for (const item of source) {
    if (taken++ >= count) return;
    yield item;
  }
}

function prefixed(name: string, group: Readonly<Record<string, Templates>>): Record<string, Templates> {
  return Object.fromEntries(Object.entries(group).map(([key, value]) => [`${name} ${key}`, value]));
}
