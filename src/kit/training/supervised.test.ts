import { describe, expect, it } from 'vitest';
import { random } from '../../core/random.ts';
import { tensor, type Tensor, type Tree, mul, namedLeaves, square, sub, sum } from '../../engine/index.ts';
import { initialiseNetwork, type Network } from '../../network/index.ts';
import { openDescent } from './descent.ts';
import { letterConfig } from './letter-model.ts';
import { openSupervised, type SupervisedSettings, type SupervisedState, trainSupervised } from './supervised.ts';
import { shuffledSource, type TrainingText } from './texts.ts';

const network = initialiseNetwork(letterConfig(), random('supervised.test'));
const bytes = (text: string): number[] => [...new TextEncoder().encode(text)];

/** Sentences with a loss on what follows the colon. */
const rhymes: TrainingText[] = ['hat: cat', 'sun: fun', 'dog: log', 'mouse: house', 'ten: hen'].map((line) => ({
  ids: bytes(`${line}.`),
  weights: bytes(`${line}.`).map((_, i) => (i > line.indexOf(':') ? 1 : 0)),
}));
const settings: SupervisedSettings = {
  random: random(5),
  steps: 12,
  time: 32,
  rows: 2,
  learningRate: 5e-3,
  warmup: 0.2,
};
const source = () => shuffledSource(rhymes, random(5));

const values = (tree: Tree): number[] => namedLeaves(tree).flatMap(({ tensor: leaf }) => [...leaf.toFloat64()]);
const weightsOf = (trained: Network): number[] => [...trained.parameters.values()].flatMap((x) => [...x.toFloat64()]);
const meanLoss = async (model: Network, texts: readonly TrainingText[]): Promise<number> => {
  const scores = await model.logProbabilities(texts.map(({ ids }) => ids));
  let [total, count] = [0, 0];
  texts.forEach(({ weights, ids }, i) => {
    for (let t = 1; t < ids.length; t++) {
      const weight = weights?.[t] ?? 1;
      total -= weight * scores[i]![t]!;
      count += weight;
    }
  });
  return total / count;
};

describe('supervised training', () => {
  it('learns the chosen tokens and nothing else is asked of it', async () => {
    const before = weightsOf(network);
    const trained = await trainSupervised(network, source(), { ...settings, steps: 150 });
    expect(await meanLoss(trained.network, rhymes)).toBeLessThan(0.1);
    const unchosen = rhymes.map(({ ids, weights }) => ({ ids, weights: [...(weights as number[])].map((w) => 1 - w) }));
    expect(await meanLoss(trained.network, unchosen)).toBeGreaterThan(2);
    expect(weightsOf(network)).toEqual(before); // the network given is as it was
  });

  it('reports the loss that the network really has, packed or not', async () => {
    const training = await openSupervised(network, source(), {
      ...settings,
      steps: 1,
      epochs: 1,
      time: 64,
      rows: 1,
    });
    const report = await training.step(await training.begin());
    expect(report!.tokens).toBe(rhymes.reduce((sum, { ids }) => sum + ids.length - 1, 0));
    expect(report!.loss).toBeCloseTo(await meanLoss(network, rhymes), 4);
  });

  it('takes the same step for a batch as for its parts, however uneven the parts: no mean of means', async () => {
    const uneven: TrainingText[] = [
      { ids: bytes('a long text with many tokens'), weights: bytes('a long text with many tokens').map(() => 1) },
      { ids: bytes('short text, 1 token of loss!'), weights: [...Array.from({ length: 27 }, () => 0), 1] },
    ];
    const ordered = { length: 2, text: (index: number) => uneven[index % 2]! };
    const step = async (rows: number, accumulate: number): Promise<{ loss: number; parameters: number[] }> => {
      const training = await openSupervised(network, ordered, { ...settings, steps: 1, rows, accumulate, time: 28 });
      const state = await training.begin();
      const { loss } = (await training.step(state))!;
      return { loss, parameters: values(state.descent.parameters) };
    };
    const [whole, parts] = [await step(2, 1), await step(1, 2)];
    expect(parts.loss).toBeCloseTo(whole.loss, 5);
    expect(parts.loss).toBeCloseTo(await meanLoss(network, uneven), 4);
    // The mean of the parts' means is far from it: what the peers' fault would have reported.
    const means = await Promise.all(uneven.map((text) => meanLoss(network, [text])));
    expect(Math.abs((means[0]! + means[1]!) / 2 - parts.loss)).toBeGreaterThan(0.01);
    // Adam's first step is the gradient's sign where it is not tiny: compared where it is not.
    const apart = whole.parameters.filter((value, i) => Math.abs(value - parts.parameters[i]!) > 1e-4).length;
    expect(apart / whole.parameters.length).toBeLessThan(0.002);
  });

  it('goes on from a checkpoint bit for bit, early stop and best weights included', async () => {
    const whole: SupervisedSettings = {
      ...settings,
      accumulate: 2,
      evaluation: { texts: rhymes.slice(0, 3), every: 3, patience: 2 },
    };
    const run = async (stopAt: number): Promise<{ state: SupervisedState; bytes: Uint8Array }> => {
      let training = await openSupervised(network, source(), whole);
      let state = await training.begin();
      while (state.step < training.steps && state.stopped === undefined) {
        if (state.step === stopAt) {
          const saved = training.save(state);
          training = await openSupervised(network, source(), whole);
          state = await training.load(saved);
        }
        await training.step(state);
      }
      return { state, bytes: training.save(state) };
    };
    const [straight, resumed] = [await run(-1), await run(7)];
    expect(straight.state.step).toBe(12);
    expect(straight.state.evaluations).toHaveLength(4);
    expect(Buffer.compare(straight.bytes, resumed.bytes)).toBe(0);
  });

  it('refuses a checkpoint of another training', async () => {
    const [full, lora] = await Promise.all([
      openSupervised(network, source(), settings),
      openSupervised(network, source(), { ...settings, lora: { rank: 2, alpha: 4 } }),
    ]);
    const saved = full.save(await full.begin());
    await expect(lora.load(saved)).rejects.toMatchObject({ code: 'train.checkpoint' });
    await expect(full.load(saved.slice(0, 1000))).rejects.toMatchObject({ code: 'train.checkpoint' });
  });

  it('stops when evaluations get no better, and gives the weights of the best', async () => {
    const [learned, unrelated] = [rhymes.slice(0, 2), [{ ids: bytes('zzzz qqqq') }]];
    const trained = await trainSupervised(network, shuffledSource(learned, random(1)), {
      ...settings,
      steps: 200,
      evaluation: { texts: unrelated, every: 5, patience: 3 },
    });
    expect(trained.stopped).toBe('no better');
    expect(trained.steps).toBeLessThan(200);
    const best = Math.min(...trained.evaluations.map(({ loss }) => loss));
    expect(await meanLoss(trained.network, unrelated)).toBeCloseTo(best, 4);
    expect(trained.evaluations.at(-1)!.loss).toBeGreaterThan(best);
  });

  it('changes low-rank halves alone, starts from the network itself, and learns', async () => {
    const lora = { rank: 4, alpha: 8 };
    const other = rhymes.map(({ ids, weights }) => ({ ids: [...(ids as number[])].reverse(), weights: weights! }));
    const base = (await trainSupervised(network, shuffledSource(other, random(2)), { ...settings, steps: 150 }))
      .network;
    const before = weightsOf(base);
    const training = await openSupervised(base, source(), { ...settings, steps: 200, lora, learningRate: 2e-2 });
    const state = await training.begin();
    expect(await training.evaluate(state, rhymes)).toBeCloseTo(await meanLoss(base, rhymes), 4);
    while ((await training.step(state)) !== undefined);
    const { network: tuned, adapter } = training.finish(state);
    expect(adapter!.changes.size).toBe(14); // seven matrices in each of two blocks
    for (const { a, b, scale } of adapter!.changes.values()) {
      expect([a.shape[0], b.shape[1], scale]).toEqual([4, 4, 2]);
    }
    expect(await meanLoss(base, rhymes)).toBeGreaterThan(2);
    expect(await meanLoss(tuned, rhymes)).toBeLessThan(1);
    expect(weightsOf(base)).toEqual(before);
  });

  it('names the matrices there are where a target is none of them', async () => {
    const training = openSupervised(network, source(), { ...settings, lora: { rank: 2, alpha: 2, targets: ['q'] } });
    await expect(training).rejects.toMatchObject({ code: 'train.lora', hint: expect.stringContaining('q_proj') });
  });

  it('needs a number of steps for a source without end, and a loss somewhere', async () => {
    const endless = { text: () => rhymes[0]! };
    const { steps: _, ...withoutSteps } = settings;
    await expect(openSupervised(network, endless, withoutSteps)).rejects.toMatchObject({ code: 'train.steps' });
    const mute = shuffledSource([{ ids: [1, 2, 3], weights: [0, 0, 0] }], random(1));
    await expect(trainSupervised(network, mute, settings)).rejects.toMatchObject({ code: 'train.no-loss' });
  });

  it('leaves a checkpoint when it is cancelled', async () => {
    const control = new AbortController();
    const saved: number[] = [];
    const training = trainSupervised(network, source(), settings, {
      signal: control.signal,
      checkpoint: { every: 100, save: (_, step) => void saved.push(step) },
      onStep({ step }) {
        if (step === 3) control.abort(new Error('enough'));
      },
    });
    await expect(training).rejects.toThrow('enough');
    expect(saved).toEqual([3]);
  });
});

describe('descent', () => {
  const target = tensor([1, -2, 3]);
  const loss = (p: Tree, { scale }: { scale: Tensor }) => {
    const { x } = p as { x: Tensor };
    return { loss: mul(sum(square(sub(x, target))), scale), aside: { x } };
  };

  it('sums the losses of micro-batches, clips their gradient as one, and decays matrices alone', async () => {
    const descent = openDescent(loss, { clip: 0.5 });
    const state = descent.begin({ x: tensor([0, 0, 0]) });
    const batch = { scale: tensor(0.5) };
    const { loss: value, gradientNorm } = await descent.step(state, [batch, batch], 0.1);
    expect(value).toBeCloseTo(14, 5);
    expect(gradientNorm).toBeCloseTo(2 * Math.sqrt(14), 4); // before clipping
    const decayed = openDescent(
      (p: Tree, { scale }: { scale: Tensor }) => ({
        loss: mul(sum(square((p as { x: Tensor }).x)), scale),
        aside: null,
      }),
      { weightDecay: 0.5 },
    );
    const still = decayed.begin({ x: tensor([1, 1]), y: tensor([[4, 8]]), z: tensor([4]) });
    await decayed.step(still, [{ scale: tensor(0) }], 0.1);
    expect(values(still.parameters)).toEqual([1, 1, Math.fround(4 * 0.95), Math.fround(8 * 0.95), 4]);
  });

  it('says so when the loss is no number any more', async () => {
    const descent = openDescent(loss);
    const state = descent.begin({ x: tensor([0, 0, 0]) });
    await expect(descent.step(state, [{ scale: tensor(Infinity) }], 0.1)).rejects.toMatchObject({
      code: 'train.diverged',
    });
  });
});
