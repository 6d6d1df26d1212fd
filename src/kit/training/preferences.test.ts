/**
 * Losses of pairs against PyTorch, their optimum against the closed form, and what a training step makes of them.
 *
 * Reference values, PyTorch 1.13, h = [0, .7, -1.3, 4, -6], b = .3, e = .1, with F = torch.nn.functional, g by autograd:
 *   dpo         -F.logsigmoid(b * h)
 *   cdpo        -(1 - e) * F.logsigmoid(b * h) - e * F.logsigmoid(-b * h)
 *   robust-dpo  (-(1 - e) * F.logsigmoid(b * h) + e * F.logsigmoid(-b * h)) / (1 - 2 * e)
 *   ipo         (h - 1 / (2 * b)) ** 2
 */
import { describe, expect, it } from 'vitest';
import { random } from '../../core/random.ts';
import {
  add,
  compile,
  logSoftmax,
  mul,
  narrow,
  reshape,
  sub,
  sum,
  tensor,
  type Tensor,
  type Tree,
  valueAndGrad,
} from '../../engine/index.ts';
import { initialiseNetwork } from '../../network/index.ts';
import { openDescent } from './descent.ts';
import { letterConfig } from './letter-model.ts';
import {
  openPreferences,
  type PreferencePair,
  type PreferenceTrainingSettings,
  replyLogProbabilities,
} from './preference-training.ts';
import { checkPreferenceSettings, preferenceLoss, preferenceLosses } from './preferences.ts';
import type { TrainingText } from './texts.ts';

const margins = [0, 0.7, -1.3, 4, -6];
const reference = {
  dpo: [
    [Math.LN2, 0.593649581, 0.907040397, 0.263282467, 1.952977611],
    [-0.15, -0.134307627, -0.17888481, -0.069442565, -0.257444681],
  ],
  cdpo: [
    [Math.LN2, 0.614649581, 0.868040397, 0.383282467, 1.772977611],
    [-0.12, -0.104307627, -0.14888481, -0.039442565, -0.227444681],
  ],
  'robust-dpo': [
    [Math.LN2, 0.567399581, 0.955790397, 0.113282467, 2.177977611],
    [-0.1875, -0.171807627, -0.21638481, -0.106942565, -0.294944681],
  ],
  'ipo-summed': [
    [2.777777778, 0.934444444, 8.801111111, 5.444444444, 58.777777778],
    [-3.333333333, -1.933333333, -5.933333333, 4.666666667, -15.333333333],
  ],
} as const;
const labels = (loss: string): number => (loss === 'cdpo' || loss === 'robust-dpo' ? 0.1 : 0);

async function lossAndSlope(loss: (typeof preferenceLosses)[number], at: readonly number[]) {
  const settings = { loss, beta: 0.3, wrongLabels: labels(loss) };
  const run = compile((h: Tensor) => {
    const each = preferenceLoss(h, settings);
    return { each, slope: valueAndGrad((x: Tensor) => sum(preferenceLoss(x, settings)))(h).gradient };
  });
  const { each, slope } = await run(tensor([...at]));
  return { each: [...each.toFloat64()], slope: [...slope.toFloat64()] };
}

describe('losses of pairs', () => {
  it.each(Object.keys(reference) as (keyof typeof reference)[])('%s is what PyTorch computes', async (loss) => {
    const { each, slope } = await lossAndSlope(loss, margins);
    const [values, slopes] = reference[loss];
    values.forEach((value, i) => expect(Math.abs(each[i]! - value)).toBeLessThan(1e-5 * Math.max(1, value)));
    slopes.forEach((value, i) => expect(Math.abs(slope[i]! - value)).toBeLessThan(1e-5));
  });

  it('at pi = pi0: the loss is ln 2, and its slope half of beta, for dpo', async () => {
    const { each, slope } = await lossAndSlope('dpo', [0]);
    expect(each[0]).toBeCloseTo(Math.LN2, 6);
    expect(slope[0]).toBeCloseTo(-0.3 / 2, 6);
  });

  it('swapping the replies of a pair negates its margin: what dpo loses on one side it has on the other', async () => {
    const { each } = await lossAndSlope('dpo', [1.7, -1.7]);
    expect(each[1]! - each[0]!).toBeCloseTo(0.3 * 1.7, 5);
  });

  it('deterministic preferences drive the margin of dpo without end, and that of cdpo and ipo to a point', async () => {
    // The slope of dpo is never 0; cdpo's is where s(beta h) = 1 - e, ipo's at 1 / (2 beta).
    const far = await lossAndSlope('dpo', [20]);
    expect(far.slope[0]).toBeLessThan(0);
    const settled = Math.log(0.9 / 0.1) / 0.3;
    expect(Math.abs((await lossAndSlope('cdpo', [settled])).slope[0]!)).toBeLessThan(1e-6);
    expect(Math.abs((await lossAndSlope('ipo-summed', [1 / 0.6])).slope[0]!)).toBeLessThan(1e-5);
  });

  it('refuses settings that make no loss', () => {
    const bad = [
      { loss: 'dpo', beta: 0, wrongLabels: 0 },
      { loss: 'dpo', beta: 0.1, wrongLabels: 0.1 },
      { loss: 'robust-dpo', beta: 0.1, wrongLabels: 0.5 },
    ] as const;
    for (const settings of bad) {
      expect(() => checkPreferenceSettings(settings)).toThrow(expect.objectContaining({ code: 'train.preference' }));
    }
  });
});

/**
 * Card O-C1's tabular policy: pi0 = (.5, .3, .2), r = (0, 1, 2), beta = .5. The optimum of RLHF is pi0 exp(r / beta),
 * normalised; DPO on the population of Bradley-Terry preferences has the same minimiser.
 */
describe('a tabular policy under the preferences of its reward', () => {
  const [start, rewards, beta] = [[0.5, 0.3, 0.2], [0, 1, 2], 0.5];
  const optimum = [0.03667, 0.16256, 0.80077];
  const ordered = [0, 1, 2].flatMap((w) => [0, 1, 2].filter((l) => l !== w).map((l) => [w, l] as const));

  it('ends at the optimum of RLHF', async () => {
    const descent = openDescent(
      (p: Tree, { logStart }: { logStart: Tensor }) => {
        const ratio = sub(logSoftmax((p as { x: Tensor }).x), logStart);
        const of = (index: number): Tensor => reshape(narrow(ratio, 0, index, index + 1), [1]);
        const parts = ordered.map(([w, l]) => {
          const probability = 1 / (1 + Math.exp(rewards[l]! - rewards[w]!));
          return mul(preferenceLoss(sub(of(w), of(l)), { loss: 'dpo', beta, wrongLabels: 0 }), probability);
        });
        return { loss: sum(parts.reduce((a, b) => add(a, b))), aside: null };
      },
      { clip: Infinity },
    );
    const state = descent.begin({ x: tensor([0.1, -0.2, 0.3]) });
    const logStart = tensor(start.map(Math.log));
    for (let i = 0; i < 600; i++) await descent.step(state, [{ logStart }], 0.1 * 0.985 ** i);
    const x = [...(state.parameters as { x: Tensor }).x.toFloat64()];
    const total = x.reduce((a, b) => a + Math.exp(b), 0);
    x.forEach((value, i) => expect(Math.abs(Math.exp(value) / total - optimum[i]!)).toBeLessThan(2e-5));
  });
});

describe('training on pairs', () => {
  const network = initialiseNetwork(letterConfig(), random('preferences.test'));
  const bytes = (text: string): number[] => [...new TextEncoder().encode(text)];
  const textOf = (prompt: string, reply: string): TrainingText => {
    const ids = bytes(`${prompt}${reply}.`);
    return { ids, weights: ids.map((_, i) => (i >= prompt.length ? 1 : 0)) };
  };
  const pairsOf = async (replies: readonly (readonly [string, string])[]): Promise<PreferencePair[]> =>
    Promise.all(
      replies.map(async ([good, bad], i) => {
        const [chosen, rejected] = [textOf(`${i}: `, good), textOf(`${i}: `, bad)];
        const [a, b] = await replyLogProbabilities(network, [chosen, rejected]);
        return { chosen, rejected, reference: { chosen: a!, rejected: b! } };
      }),
    );
  const replies = [
    ['yes', 'no'],
    ['good', 'bad'],
    ['up', 'downwards'],
    ['in', 'out'],
  ] as const;
  const settings: PreferenceTrainingSettings = {
    random: random(3),
    loss: 'dpo',
    beta: 0.5,
    wrongLabels: 0,
    steps: 12,
    pairs: 4,
    learningRate: 1e-3,
  };

  it.each(preferenceLosses)('%s begins at its value for h = 0 and raises the margin', async (loss) => {
    const training = await openPreferences(network, await pairsOf(replies), {
      ...settings,
      loss,
      wrongLabels: labels(loss),
    });
    const state = await training.begin();
    const first = await training.step(state);
    expect(Math.abs(first.margin)).toBeLessThan(1e-4);
    expect(first.loss).toBeCloseTo(loss.startsWith('ipo') ? 1 : Math.LN2, 3);
    let last = first;
    while (state.step < training.steps) last = await training.step(state);
    expect(last.margin).toBeGreaterThan(0.1);
    expect(last.accuracy).toBe(1);
  });

  it('has the margin that the network has, per token where the name says so', async () => {
    const pairs = (await pairsOf(replies)).map((pair) => ({ ...pair, reference: { chosen: 0, rejected: 0 } }));
    let [summed, perToken] = [0, 0];
    for (const { chosen, rejected } of pairs) {
      const [a, b] = await replyLogProbabilities(network, [chosen, rejected]);
      const count = ({ weights }: TrainingText): number => (weights as number[]).reduce((x, y) => x + y, 0);
      summed += (a! - b!) / pairs.length;
      perToken += (a! / count(chosen) - b! / count(rejected)) / pairs.length;
    }
    const marginOf = async (loss: 'ipo-summed' | 'ipo-per-token'): Promise<number> => {
      const training = await openPreferences(network, pairs, { ...settings, loss });
      return (await training.step(await training.begin())).margin;
    };
    expect(await marginOf('ipo-summed')).toBeCloseTo(summed, 3);
    expect(await marginOf('ipo-per-token')).toBeCloseTo(perToken, 4);
    expect(Math.abs(summed - perToken)).toBeGreaterThan(1); // what one name for both would hide
  });

  it('takes the same step for a batch as for its parts, and goes on from a checkpoint bit for bit', async () => {
    const pairs = await pairsOf(replies);
    const run = async (more: Partial<PreferenceTrainingSettings>, resumeAt = -1): Promise<Uint8Array> => {
      let training = await openPreferences(network, pairs, { ...settings, ...more });
      let state = await training.begin();
      while (state.step < training.steps) {
        if (state.step === resumeAt) {
          const saved = training.save(state);
          training = await openPreferences(network, pairs, { ...settings, ...more });
          state = await training.load(saved);
        }
        await training.step(state);
      }
      return training.save(state);
    };
    const straight = await run({ pairs: 2, accumulate: 2 });
    expect(Buffer.compare(straight, await run({ pairs: 2, accumulate: 2 }, 5))).toBe(0);
    const lossOf = async (more: Partial<PreferenceTrainingSettings>): Promise<number> => {
      const training = await openPreferences(network, pairs, { ...settings, ...more });
      const state = await training.begin();
      await training.step(state);
      return (await training.step(state)).loss;
    };
    expect(await lossOf({ pairs: 1, accumulate: 4 })).toBeCloseTo(await lossOf({ pairs: 4 }), 4);
  });

  it('refuses a pair of one text, and a reply of nothing', async () => {
    const pair = (await pairsOf(replies))[0]!;
    const same = [{ ...pair, rejected: pair.chosen }];
    await expect(openPreferences(network, same, settings)).rejects.toMatchObject({ code: 'train.equal-replies' });
    const mute = [{ ...pair, rejected: { ids: [1, 2], weights: [0, 0] } }];
    await expect(openPreferences(network, mute, settings)).rejects.toMatchObject({ code: 'train.no-turn' });
    await expect(openPreferences(network, [], settings)).rejects.toMatchObject({ code: 'train.empty' });
  });
});
