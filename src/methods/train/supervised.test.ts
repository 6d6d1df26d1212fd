/**
 * Supervised training in its runner: what it reports is the loss that the product has. That it learns what is asked and
 * no sham, is its calibration; that it resumes to the same bytes, test/kill/train.test.ts.
 */
import { describe, expect, it } from 'vitest';
import { testRunner } from '../../../test/runner.ts';
import { random } from '../../core/random.ts';
import { letterModelFolder, lossesOf, rowText } from '../../kit/training/index.ts';
import { openModel } from '../../models/open/index.ts';
import { dataOf } from '../method.ts';
import { supervised } from './supervised.ts';

const runner = testRunner();
const folder = await letterModelFolder(random('supervised method'));
const target = () => openModel(folder, { id: 'letters' });
const rows = ['ab', 'ba', 'aa', 'bb', 'abab', 'baba'].map((word, index) => ({
  id: `r${index}`,
  messages: [
    { role: 'user' as const, content: `say ${word}` },
    { role: 'assistant' as const, content: word },
  ],
}));
const params = { rank: 0, learningRate: 1e-2, batchTokens: 128, steps: 30, checkpointEvery: 5, patience: 100 };

describe('train/supervised', () => {
  it('reports the loss that the product has on rows held out, and holds them out', async () => {
    const heldOut = rows.slice(0, 2);
    const outcome = await runner.outcome(
      supervised,
      { ...params, steps: 10 },
      {
        target: await target(),
        rows: dataOf('rows', rows), // the held-out ones are among them
        heldOut: dataOf('held out', heldOut),
      },
    );
    const model = await runner.product(outcome.products!['model']!);
    const texts = heldOut.map((row) => rowText(model.tokenizer, row));
    const [before, after] = [await lossesOf((await target()).network, texts), await lossesOf(model.network, texts)];
    const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
    const named = (name: string) => outcome.measures.find((measure) => measure.name === name)!;
    // Weights are kept in half precision.
    expect(named('held-out loss after training').value).toBeCloseTo(mean(after), 2);
    expect(named('held-out loss before training').value).toBeCloseTo(mean(before), 5);
    expect(outcome.summary![0]).toContain('10 steps on 4 rows');
  });

  it('names the row that cannot be learned from', async () => {
    const mute = [...rows, { id: 'mute', messages: [{ role: 'user' as const, content: 'hm' }] }];
    await expect(
      runner.run(supervised, params, { target: await target(), rows: dataOf('rows', mute), heldOut: undefined }),
    ).rejects.toMatchObject({ code: 'train.no-turn', message: expect.stringContaining('row mute') });
  });
});
