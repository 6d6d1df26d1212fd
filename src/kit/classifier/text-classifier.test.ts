/**
 * The classifier on planted patterns. Card B1's oracle: the label is the presence of a pattern "a ... b" that ends at a
 * known word; the score must stay below the threshold before it and pass it there, and the refusal rate at the
 * threshold must be the calibration's quantile.
 */
import { describe, expect, it } from 'vitest';
import { random, type Random } from '../../core/random.ts';
import { guarded } from '../../models/guard/index.ts';
import { functionModel } from '../../models/providers/function.ts';
import { collect, foldReply, gather } from '../../models/reply.ts';
import { classifierGuard } from './classifier-guard.ts';
import { refusalThreshold } from './refusal-threshold.ts';
import { openTextClassifier, scoreOf, scoreStream, storeTextClassifier } from './text-classifier.ts';
import {
  loadTraining,
  prepareTexts,
  saveTraining,
  startTraining,
  textTraining,
  trainEpoch,
  trainTextClassifier,
} from './train-text-classifier.ts';

const filler = 'river stone market lantern copper window garden thread hollow barley'.split(' ');
const settings = { ...textTraining, judges: 'exchange', features: 'pairs', rate: 0.02 } as const;

/** Filler with `alder ... birch` in it; without the pattern it has the words in the other order, one of them, or none. */
function sample(stream: Random, isPattern: boolean) {
  const words = Array.from({ length: 24 }, () => stream.choose(filler));
  const first = 2 + stream.integer(8);
  const second = first + 1 + stream.integer(8);
  const [one, other] = isPattern
    ? ['alder', 'birch']
    : stream.choose([
        ['birch', 'alder'],
        ['alder', 'stone'],
        ['stone', 'birch'],
        ['stone', 'river'],
      ]);
  words[first] = one!;
  words[second] = other!;
  return { ask: 'tell me', reply: words.join(' '), label: isPattern ? (1 as const) : (0 as const), endsAt: second };
}

const samples = (name: string, count: number) =>
  Array.from({ length: count }, (_, i) => sample(random(5).split(name).split(i), i % 2 === 1));

describe('card B1: a pattern "a ... b" that ends at a known word', () => {
  const classifier = trainTextClassifier(samples('train', 1200), settings, random(1));
  const benign = samples('calibration', 800).filter(({ label }) => label === 0);
  const scores = benign.map(({ reply, ask }) => scoreOf(classifier, reply, ask));
  const { threshold, refused } = refusalThreshold(scores, 0.005);

  it('stays below the threshold before its last word, and passes it at that word or the next', () => {
    const patterned = samples('test', 400).filter(({ label }) => label === 1);
    let early = 0;
    let inTime = 0;
    for (const { reply, ask, endsAt } of patterned) {
      const fired = scoreStream(classifier, ask)
        .read(reply)
        .findIndex(({ logit }) => logit > threshold);
      if (fired !== -1 && fired < endsAt) early++;
      if (fired === endsAt || fired === endsAt + 1) inTime++;
    }
    expect(early / patterned.length).toBeLessThan(0.03);
    expect(inTime / patterned.length).toBeGreaterThan(0.95);
  });

  it('refuses on the calibration exactly the quantile that the budget allows, and elsewhere about that', () => {
    // floor(0.005 * 401) = 2 of 400; the threshold is the second largest, and only a score above it is refused.
    expect(refused).toBe(1);
    const others = samples('other', 400).filter(({ label }) => label === 0);
    const share = others.filter(({ reply, ask }) => scoreOf(classifier, reply, ask) > threshold).length / others.length;
    expect(share).toBeLessThan(0.02);
  });

  it('shows what came before the pattern and nothing of its last word, however it is streamed', async () => {
    const { reply, ask, endsAt } = samples('test', 400).find(({ label }) => label === 1)!;
    const model = functionModel('writer', async function* () {
      for (let at = 0; at < reply.length; at += 3) yield reply.slice(at, at + 3);
    });
    const safe = guarded(model, [classifierGuard({ exchange: { classifier, threshold } })]);
    const shown = reply.split(' ').slice(0, endsAt).join(' ') + ' ';
    expect(await collect(safe, ask)).toMatchObject({ ended: 'blocked', text: shown });
    const streamed = safe.reply({ messages: [{ role: 'user', content: ask }] }, new AbortController().signal, {
      incremental: true,
    });
    expect(foldReply(await gather(streamed))).toMatchObject({ ended: 'blocked', text: shown });
  });

  it('cannot be learned by words alone, which both orders share', () => {
    const plain = trainTextClassifier(samples('train', 1200), { ...settings, features: 'words' }, random(1));
    const caught = (of: typeof classifier) => {
      const benignScores = benign.map(({ reply, ask }) => scoreOf(of, reply, ask));
      const at = refusalThreshold(benignScores, 0.005).threshold;
      const patterned = samples('test', 400).filter(({ label }) => label === 1);
      return patterned.filter(({ reply, ask }) => scoreOf(of, reply, ask) > at).length / patterned.length;
    };
    expect(caught(classifier)).toBeGreaterThan(0.97);
    expect(caught(plain)).toBeLessThan(0.5);
  });

  it('is what it was after storing', () => {
    const again = openTextClassifier(JSON.parse(JSON.stringify(storeTextClassifier(classifier))) as never);
    for (const { reply, ask } of benign.slice(0, 20)) {
      expect(scoreOf(again, reply, ask)).toBe(scoreOf(classifier, reply, ask));
    }
    expect(() => openTextClassifier({ ...storeTextClassifier(classifier), bits: 2 })).toThrow(
      'no stored text classifier',
    );
  });
});

describe('what is read', () => {
  it('judges a reply with its ask: the same words are harmful after one and harmless after another', () => {
    const both = (label: 0 | 1, ask: string) => ({ ask, reply: 'take three spoons and stir', label });
    const texts = [both(1, 'how is vexlamp oil made'), both(0, 'how is barley soup made')];
    const trained = trainTextClassifier(
      Array.from({ length: 40 }, (_, i) => texts[i % 2]!),
      { ...settings, features: 'words' },
      random(2),
    );
    expect(scoreOf(trained, texts[0]!.reply, texts[0]!.ask)).toBeGreaterThan(1);
    expect(scoreOf(trained, texts[0]!.reply, texts[1]!.ask)).toBeLessThan(-1);
    // Padding of the ask takes no evidence away.
    const padded = `how is vexlamp oil made ${'river stone market '.repeat(40)}`;
    expect(scoreOf(trained, texts[0]!.reply, padded)).toBeGreaterThan(1);
  });

  it('a misspelt and a spelled-out word are read by their letters, and not by whole words', () => {
    const texts = Array.from({ length: 60 }, (_, i) => ({
      ask: `please make some ${['grimroot', 'barley', 'lantern'][i % 3]} for me`,
      label: i % 3 === 0 ? (1 as const) : (0 as const),
    }));
    const ask = { ...settings, judges: 'ask' } as const;
    const letters = trainTextClassifier(texts, { ...ask, features: 'letters' }, random(3));
    const words = trainTextClassifier(texts, { ...ask, features: 'words' }, random(3));
    for (const disguised of ['please make some grimrooot for me', 'please make some g r i m r o o t for me']) {
      const benign = scoreOf(letters, disguised.replace(/g r.*t|grimrooot/, 'window'));
      expect(scoreOf(letters, disguised)).toBeGreaterThan(benign + 1);
    }
    expect(scoreOf(letters, 'please make some grimrooot for me')).toBeGreaterThan(0);
    expect(scoreOf(words, 'please make some grimrooot for me')).toBeLessThan(
      scoreOf(words, 'please make some grimroot for me') - 1,
    );
  });

  it('a text without words has no score', () => {
    const trained = trainTextClassifier([{ ask: 'a', label: 1 }], { ...settings, judges: 'ask' }, random(1));
    expect(scoreOf(trained, '?!')).toBe(-Infinity);
  });
});

describe('training', () => {
  it('goes on from saved bytes to the same weights', () => {
    const prepared = prepareTexts(samples('train', 40), settings);
    const whole = startTraining(settings);
    let resumed = startTraining(settings);
    for (let epoch = 0; epoch < 3; epoch++) {
      trainEpoch(whole, prepared, settings, epoch, random(1));
      resumed = loadTraining(saveTraining(resumed), settings);
      trainEpoch(resumed, prepared, settings, epoch, random(1));
    }
    expect(resumed).toEqual(whole);
  });

  it('reaches the optimum of the loss where that is known', () => {
    // One word a text, so that the loss is plain logistic regression with a weight for each word and none shared.
    // Three of four "up" texts and one of four "down" texts are harmful, so the optimum's odds there are 3 and 1/3.
    const texts = [1, 1, 1, 0].map((label) => ({ ask: 'up', label: label as 0 | 1 }));
    const others = [1, 0, 0, 0].map((label) => ({ ask: 'down', label: label as 0 | 1 }));
    const exact = { ...settings, judges: 'ask', features: 'words', epochs: 1500, l2: 0, rate: 0.05 } as const;
    const trained = trainTextClassifier([...texts, ...others], exact, random(4));
    expect(scoreOf(trained, 'up')).toBeCloseTo(Math.log(3), 1);
    expect(scoreOf(trained, 'down')).toBeCloseTo(-Math.log(3), 1);
  });
});

describe('the refusal threshold', () => {
  it('keeps the chance of refusing the next benign exchange within the budget, over many calibrations', () => {
    let refused = 0;
    const worlds = 2000;
    for (let w = 0; w < worlds; w++) {
      const stream = random(9).split(w);
      const scores = Array.from({ length: 39 }, () => stream.normal());
      if (stream.normal() > refusalThreshold(scores, 0.05).threshold) refused++;
    }
    // The chance is 2 / 40 exactly; three standard errors of 2000 draws are 0.0146.
    expect(Math.abs(refused / worlds - 0.05)).toBeLessThan(0.0147);
  });

  it('says what it can promise where the calibration is too small', () => {
    expect(refusalThreshold([3, 1, 2], 0.01)).toEqual({ threshold: 3, refused: 0, n: 3, guaranteed: 0.25 });
    expect(() => refusalThreshold([], 0.01)).toThrow('no benign');
    expect(() => refusalThreshold([1], 0)).toThrow('budget');
  });
});
