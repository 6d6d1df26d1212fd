/**
 * DPO in its runner. Its losses and their oracles are tested in kit/training/preferences.test.ts; here: what is reported
 * is what the product does, the reference is taken once, and both log-probabilities are told apart.
 */
import { describe, expect, it } from 'vitest';
import { testRunner } from '../../../test/runner.ts';
import { conversationText, replyLogProbabilities } from '../../kit/training/index.ts';
import { random } from '../../core/random.ts';
import { letterModelFolder } from '../../kit/training/index.ts';
import { openModel } from '../../models/open/index.ts';
import { dataOf } from '../method.ts';
import { dpo } from './dpo.ts';

const runner = testRunner();
const folder = await letterModelFolder(random('dpo method'));
const target = () => openModel(folder, { id: 'letters' });
const rows = Array.from({ length: 10 }, (_, index) => ({
  id: `r${index}`,
  prompt: `${index}`,
  chosen: index % 2 === 0 ? 'yes' : 'yes yes',
  rejected: 'no',
}));
const params = { rank: 0, learningRate: 3e-3, pairs: 4, accumulate: 1, beta: 0.5, steps: 8 };

describe('train/dpo', () => {
  it('reports how both replies of held-out pairs moved, as the product has them', async () => {
    const heldOut = rows.slice(0, 3);
    const outcome = await runner.outcome(dpo, params, {
      target: await target(),
      pairs: dataOf('pairs', rows),
      heldOut: dataOf('held out', heldOut),
    });
    const [before, after] = [await target(), await runner.product(outcome.products!['model']!)];
    const moved = async (reply: 'chosen' | 'rejected'): Promise<number> => {
      const texts = heldOut.map((row) =>
        conversationText(before.tokenizer, [
          { role: 'user', content: row.prompt },
          { role: 'assistant', content: row[reply] },
        ]),
      );
      const [a, b] = [
        await replyLogProbabilities(after.network, texts),
        await replyLogProbabilities(before.network, texts),
      ];
      const perToken = a.map((value, i) => (value - b[i]!) / (heldOut[i]![reply].length + 1));
      return perToken.reduce((x, y) => x + y, 0) / perToken.length;
    };
    const named = (name: string) => outcome.measures.find((measure) => measure.name === name)!;
    expect(named('change of the chosen replies').value).toBeCloseTo(await moved('chosen'), 2);
    expect(named('change of the rejected replies').value).toBeCloseTo(await moved('rejected'), 2);
    expect(named('preference on held-out pairs')).toMatchObject({ value: 1, n: 3 });
    expect(outcome.summary![0]).toContain('on 7 pairs');
  });

  it('says so when the chosen replies became less likely too', async () => {
    // Both replies begin alike, and the rejected one's beginning is pushed down with the rest of it.
    const alike = rows.map((row) => ({ ...row, chosen: 'aaaaaaaab', rejected: 'aaaaaaaac' }));
    const outcome = await runner.outcome(
      dpo,
      { ...params, learningRate: 3e-2, steps: 12 },
      { target: await target(), pairs: dataOf('alike', alike), heldOut: undefined },
    );
    const chosen = outcome.measures.find(({ name }) => name === 'change of the chosen replies')!;
    const isTold = outcome.caveats!.some((caveat) => caveat.includes('became less likely too'));
    expect(isTold).toBe(chosen.value < 0);
  });

  it('refuses wrong labels for a loss that does not reckon with them', async () => {
    const given = { target: await target(), pairs: dataOf('pairs', rows), heldOut: undefined };
    await expect(runner.run(dpo, { ...params, wrongLabels: 0.1 }, given)).rejects.toMatchObject({
      code: 'train.preference',
    });
  });
});
