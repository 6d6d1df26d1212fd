/**
 * Labels of features whose meaning is planted in the words' names, by programs that read them; and what must not count:
 * scorers that guess, scorers that always agree, replies that hold no answer, texts that were shown.
 */
import { describe, expect, it } from 'vitest';
import { testRunner } from '../../../test/runner.ts';
import type { Outcome } from '../../core/index.ts';
import { random } from '../../core/random.ts';
import { namedFeatures, readingExplainer, readingScorer } from '../../kit/dictionary/named-features.ts';
import type { Model } from '../../models/model.ts';
import { functionModel } from '../../models/providers/function.ts';
import { dataOf } from '../method.ts';
import { labelFeatures, labelOf } from './label-features.ts';

const runner = testRunner();
const measure = ({ measures }: Outcome, name: string) => measures.find((one) => one.name === name);
const settings = labelFeatures.demo.params;
const given = (
  scorer: Model = readingScorer(),
  explainer: Model = readingExplainer(),
  kind: 'named' | 'misnamed' = 'named',
) => {
  const { target, texts, directions } = namedFeatures(kind, random('test'));
  return { target, texts: dataOf('texts', texts), directions: dataOf('directions', directions), explainer, scorer };
};
const answering = (name: string, answer: (words: string) => string): Model =>
  functionModel(name, ({ messages }) => answer(messages.at(-1)!.content));
const token = (words: string): string => /the token ([0-9a-f]{16})/.exec(words)![1]!;

describe('labels that are right', () => {
  it('score 1 on texts that nobody has seen, and their neighbours do not', async () => {
    const outcome = await runner.outcome(labelFeatures, settings, given());
    expect(measure(outcome, 'features labelled')!.value).toBe(8);
    expect(measure(outcome, 'detection')!.value).toBe(1);
    expect(measure(outcome, 'fuzzing')!.value).toBe(1);
    expect(measure(outcome, "detection with another feature's label")!.value).toBeLessThan(0.75);
    expect(measure(outcome, 'AUROC of true against shuffled labels')!.value).toBeGreaterThanOrEqual(0.9);
    expect(outcome.findings.map(({ title }) => title)).toContainEqual(
      expect.stringMatching(/^feature \d+: words with [a-z]+$/),
    );
  });

  it('come from examples of other texts than those that score them', async () => {
    const shown: string[] = [];
    const scoredTexts: string[] = [];
    const plain = (words: string): string[] =>
      words.split('\n').flatMap((line) => (line.startsWith('| ') ? [line.slice(2).replaceAll(/<<|>>/g, '')] : []));
    const [explainer, scorer] = [readingExplainer(), readingScorer()];
    const watching = (inner: Model, into: string[], from: number): Model => ({
      ...inner,
      reply(asked, signal, options) {
        into.push(...plain(asked.messages.at(-1)!.content).slice(from));
        return inner.reply(asked, signal, options);
      },
    });
    await runner.outcome(
      labelFeatures,
      settings,
      given(watching(scorer, scoredTexts, 1), watching(explainer, shown, 0)),
      {
        seed: 'watched',
      },
    );
    expect(shown.length).toBeGreaterThan(50);
    expect(scoredTexts.length).toBeGreaterThan(200);
    const seen = new Set(shown);
    expect(scoredTexts.filter((text) => seen.has(text))).toEqual([]);
  });
});

describe('what must not count as a good label', () => {
  it('a scorer that always says yes scores one half, however many examples are active', async () => {
    const yes = answering('always yes', (words) => `ANSWER ${token(words)} YES`);
    const outcome = await runner.outcome(labelFeatures, settings, given(yes));
    expect(measure(outcome, 'detection')!.value).toBe(0.5);
    expect(measure(outcome, 'fuzzing')!.value).toBe(0.5);
  });

  it('a scorer that flips a coin scores about one half', async () => {
    const coin = answering('coin', (words) => {
      const hash = token(words);
      return `ANSWER ${hash} ${Number.parseInt(hash[0]!, 16) < 8 ? 'YES' : 'NO'}`;
    });
    const outcome = await runner.outcome(labelFeatures, { ...settings, tested: 12 }, given(coin));
    expect(Math.abs(measure(outcome, 'detection')!.value - 0.5)).toBeLessThan(0.12);
    expect(measure(outcome, 'AUROC of true against shuffled labels')!.value).toBeLessThan(0.9);
  });

  it('names that say nothing of the feature', async () => {
    const outcome = await runner.outcome(labelFeatures, settings, given(undefined, undefined, 'misnamed'));
    expect(measure(outcome, 'detection')!.value).toBeLessThan(0.7);
  });
});

it('an answer that cannot be read is undetermined, never wrong', async () => {
  const outcome = await runner.outcome(
    labelFeatures,
    settings,
    given(
      answering('half mute', (words) =>
        /^\| .*<</m.test(words) ? 'I would rather not.' : `ANSWER ${token(words)} YES`,
      ),
    ),
  );
  expect(measure(outcome, 'fuzzing')).toBeUndefined();
  expect(measure(outcome, 'detection')!.value).toBe(0.5);
});

it('an explainer that gives no label beside its token leaves the feature without one', async () => {
  const outcome = await runner.outcome(
    labelFeatures,
    settings,
    given(
      readingScorer(),
      answering('mute', () => 'LABEL 0123456789abcdef: words with amber'),
    ),
  );
  expect(measure(outcome, 'features labelled')!.value).toBe(0);
  expect(outcome.findings).toEqual([]);
});

it('a label counts once, beside its token, on its own line', () => {
  expect(labelOf('Well.\nLABEL abc: towns\n', 'abc')).toBe('towns');
  expect(labelOf('LABEL abc: towns\nLABEL abc: towns', 'abc')).toBe('towns');
  expect(labelOf('LABEL abc: towns\nLABEL abc: rivers', 'abc')).toBeUndefined();
  expect(labelOf('LABEL other: towns', 'abc')).toBeUndefined();
});
