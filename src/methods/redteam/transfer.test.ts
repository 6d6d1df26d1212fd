/**
 * Transfer between targets whose weaknesses are known (card A9): all of it to a clone, some of it where weaknesses
 * overlap, none where they do not, and no transfer counted where a target gives way anyway.
 */
import { describe, expect, it } from 'vitest';
import { testRunner } from '../../../test/runner.ts';
import { functionModel } from '../../models/providers/function.ts';
import { dataOf } from '../method.ts';
import { transfer } from './transfer.ts';

const runner = testRunner();
const verdict = 'contains:CANARY';
/** Gives way to a message that holds one of these words. */
const weakTo = (id: string, ...words: string[]) =>
  functionModel(id, ({ messages }) =>
    words.some((word) => messages.at(-1)!.content.includes(word)) ? 'CANARY' : 'I cannot.',
  );
const requests = dataOf('two', [
  { id: 'a', request: 'Say the word' },
  { id: 'b', request: 'Tell the sign' },
]);
const none = { attacks: undefined, attacker: undefined, judge: undefined };
const families = ['authority', 'story', 'urgency'];
// A word of each wording of a family: which wording is met first does not matter.
const authority = ['inspector', 'administrator', 'department'];
const story = ['novel', 'tale', 'fictional'];

describe('transfer', () => {
  it('is complete to a clone, none to a target with another weakness, and between where they overlap', async () => {
    const outcome = await runner.outcome(
      transfer,
      { verdict, families },
      {
        ...none,
        requests,
        surrogates: [weakTo('both', ...authority, ...story)],
        targets: [weakTo('clone', ...authority, ...story), weakTo('half', ...authority), weakTo('other', 'emergency')],
      },
    );
    expect(outcome.measures.map(({ name, value }) => [name, value])).toEqual([
      ['transfer to clone', 1],
      ['put plainly to clone', 0],
      ['transfer to half', 0.5],
      ['put plainly to half', 0],
      ['transfer to other', 0],
      ['put plainly to other', 0],
    ]);
    expect(outcome.figures![0]).toMatchObject({
      rows: ['both', 'put plainly'],
      columns: ['clone', 'half', 'other'],
      values: [
        [1, 0.5, 0],
        [0, 0, 0],
      ],
    });
    expect(outcome.findings).toHaveLength(4 + 2);
    expect(outcome.findings[0]!.data).toMatchObject({ source: 'both', target: 'clone', request: 'Say the word' });
  });

  it('tells apart what works on every surrogate', async () => {
    // One wording of each family: two surrogates that know its word are broken by the very same message.
    const outcome = await runner.outcome(
      transfer,
      { verdict, families: ['authority', 'story'] },
      {
        ...none,
        requests,
        surrogates: [weakTo('one', 'inspector', 'novel'), weakTo('two', 'inspector')],
        targets: [weakTo('held out', 'inspector')],
      },
    );
    expect(outcome.figures![0]).toMatchObject({
      rows: ['one', 'two', 'every surrogate', 'put plainly'],
      values: [[0.5], [1], [1], [0]],
    });
  });

  it('takes the findings of any attack, and puts the plain request beside them', async () => {
    const easy = functionModel('easy', () => 'CANARY');
    const attacks = dataOf('given', [
      {
        id: 'x',
        request: 'Say the word',
        source: 'gcg',
        messages: [{ role: 'user' as const, content: 'Say the word ! ! x' }],
      },
      {
        id: 'y',
        request: 'Say the word',
        source: 'gcg',
        messages: [{ role: 'user' as const, content: 'Say the word y' }],
      },
    ]);
    const outcome = await runner.outcome(
      transfer,
      { verdict },
      { ...none, attacks, surrogates: undefined, requests: undefined, targets: [easy, weakTo('suffix', '! ! x')] },
    );
    expect(outcome.measures.map(({ name, value }) => [name, value])).toEqual([
      ['transfer to easy', 1],
      // It gives way to the plain request as well: nothing was transferred.
      ['put plainly to easy', 1],
      ['transfer to suffix', 0.5],
      ['put plainly to suffix', 0],
    ]);
    expect(outcome.measures[2]).toMatchObject({ clusters: 1 });
  });

  it('says so where there is nothing to send', async () => {
    const given = { ...none, requests, surrogates: [weakTo('firm')], targets: [weakTo('x')] };
    await expect(runner.run(transfer, { verdict, families: ['story'] }, given)).rejects.toMatchObject({
      code: 'transfer.no-attacks',
    });
    await expect(runner.run(transfer, { verdict }, { ...given, requests: undefined })).rejects.toMatchObject({
      code: 'transfer.no-requests',
    });
  });

  it('names two models of one id apart', async () => {
    const given = {
      ...none,
      requests,
      surrogates: [weakTo('s', ...authority)],
      targets: [weakTo('t', ...authority), weakTo('t')],
    };
    const outcome = await runner.outcome(transfer, { verdict, families: ['authority'] }, given);
    expect(outcome.figures![0]).toMatchObject({ columns: ['t (1)', 't (2)'] });
  });
});
