/**
 * Card D2's oracles: answers lost on 10 % of the items are a tax of 0.10, no treatment one whose interval covers 0 in
 * about 95 of 100 runs, and losing everything or nothing reproduces the ends; its pitfalls as negative tests.
 */
import { describe, expect, it } from 'vitest';
import { testRunner } from '../../../test/runner.ts';
import { random } from '../../core/random.ts';
import { answered, says } from '../../kit/judge/answers.ts';
import { functionModel } from '../../models/providers/function.ts';
import { dataOf } from '../method.ts';
import { alignmentTax } from './alignment-tax.ts';

const runner = testRunner();
const rows = Array.from({ length: 100 }, (_, i) => ({
  id: `q${i}`,
  question: `What is item ${i}?`,
  right: [`word${i}x`],
  wrong: [],
  task: i < 50 ? 'first' : 'second',
  chance: 0,
}));
const questions = dataOf('questions', rows);
const numberOf = (content: string): number => Number(/\d+/.exec(content)![0]);
/** Answers by number of the item. */
const pupil = (id: string, says: (i: number) => string) =>
  functionModel(id, ({ messages }) => says(numberOf(messages.at(-1)!.content)));
const perfect = pupil('perfect', (i) => `word${i}x`);

async function taxed(target: typeof perfect, more: object = {}, settings: object = {}) {
  const given = { target, before: perfect, sham: undefined, questions, ...more };
  const outcome = await runner.outcome(alignmentTax, { resamples: 400, ...settings }, given);
  return { outcome, of: (name: string) => outcome.measures.find((measure) => measure.name === name)! };
}

describe('evaluate/alignment-tax', () => {
  it('card D2: answers lost on a tenth of the items are a tax of 0.10; all and none are 1 and 0', async () => {
    const { of, outcome } = await taxed(pupil('a tenth', (i) => (i % 10 === 3 ? 'something' : `word${i}x`)));
    expect(of('alignment tax').value).toBeCloseTo(0.1, 12);
    expect(of('alignment tax').low).toBeLessThan(0.1);
    expect(of('alignment tax').high).toBeGreaterThan(0.1);
    expect(of('lost: now wrong').value).toBeCloseTo(0.1, 12);
    expect(of('lost: now refused').value).toBe(0);
    // McNemar of 5 and 0 in each task: mid-p 1/32; Holm doubles both.
    const table = outcome.figures![0]!;
    if (table.kind !== 'table') throw new Error(table.kind);
    expect(table.rows.map((cells) => cells.slice(0, 6))).toEqual([
      ['first', 50, 1, 0.9, 5, 0],
      ['second', 50, 1, 0.9, 5, 0],
    ]);
    for (const cells of table.rows) {
      expect(cells[6]).toBeCloseTo(1 / 32, 12);
      expect(cells[7]).toBeCloseTo(1 / 16, 12);
    }
    expect((await taxed(pupil('nothing left', () => 'something'))).of('alignment tax').value).toBe(1);
    expect((await taxed(pupil('same', (i) => `It is word${i}x.`))).of('alignment tax')).toMatchObject({
      value: 0,
      low: 0,
      high: 0,
    });
  });

  it('card D2: without a treatment the interval covers 0 in about 95 of 100 runs', async () => {
    // Two samples of one noisy model, as a no-op treatment is at temperature.
    const noisy = (id: string) => pupil(id, (i) => (random(id).split(i).uniform() < 0.7 ? `word${i}x` : 'something'));
    let covers = 0;
    const runs = 20;
    for (let run = 0; run < runs; run++) {
      const { of } = await taxed(noisy(`after ${run}`), { before: noisy(`before ${run}`) }, { resamples: 200 });
      const { low, high } = of('alignment tax');
      if (low <= 0 && high >= 0) covers++;
    }
    // 19 expected; fewer than 16 has a chance below 1 %.
    expect(covers).toBeGreaterThanOrEqual(16);
  });

  it('takes chance off, and leaves out a task that was no better than chance before', async () => {
    const guessed = dataOf(
      'guessed',
      rows.map((row) => ({ ...row, chance: row.task === 'first' ? 0.5 : 0.9 })),
    );
    const before = pupil('before', (i) => (i < 50 || i % 2 === 0 ? `word${i}x` : 'something'));
    const { of, outcome } = await taxed(
      pupil('half', (i) => (i % 4 === 0 ? 'something' : `word${i}x`)),
      { before, questions: guessed },
    );
    // First task: 13 of 50 lost, (1 - 0.74) / (1 - 0.5).
    expect(of('alignment tax').value).toBeCloseTo(0.52, 12);
    expect(outcome.caveats!.join()).toContain('second: before the treatment no better than chance');
  });

  it('tells refusals and unreadable replies from ignorance', async () => {
    const { of } = await taxed(pupil('refuses', (i) => (i < 10 ? "I'm sorry, I can't." : i < 15 ? ' ' : `word${i}x`)));
    expect(of('lost: now refused').value).toBeCloseTo(0.1, 12);
    expect(of('lost: now unreadable').value).toBeCloseTo(0.05, 12);
    expect(of('lost: now wrong').value).toBe(0);
    expect(answered({ text: 'a or b', ended: 'stop' }, ['a'], ['b'])).toBe('unreadable');
    expect(says('12, not 123', '123')).toBe(true);
    expect(says('1234', '123')).toBe(false);
  });

  it('states tokens, a sham beside, and time only when asked', async () => {
    const wordy = pupil('wordy', (i) => `Well, after much thought I would say word${i}x.`);
    const { of, outcome } = await taxed(wordy, { sham: perfect }, { timing: true });
    expect(of('more tokens a reply').value).toBeGreaterThan(5);
    expect(of('alignment tax, sham')).toMatchObject({ value: 0 });
    expect(outcome.measures.map(({ name }) => name)).toContain('more time a reply');
  });
});
