/**
 * Direct preference optimisation: the model is moved towards replies that were preferred and away from others, with
 * itself, as it was, as the reference. And its relatives, each under a name of its own.
 *
 * Card O-C2: Rafailov et al. 2023 and its code (beta 0.1, sums over the reply's tokens, end of turn included, no
 * dropout, which this project has none of). Departs from it: AdamW instead of RMSprop; the reference's log-probabilities
 * are taken once and stored; and how the log-probability of either reply moved is reported, since both may fall. Train
 * on the chosen replies first (train/supervised). Needs the weights of its target.
 */
import { z } from 'zod';
import type { Figure } from '../../core/figures.ts';
import { random, type Random } from '../../core/random.ts';
import { keepTrained } from '../../kit/products/index.ts';
import {
  chatMessage,
  checkPreferenceSettings,
  conversationText,
  letterModelFolder,
  learnedTokens,
  openPreferences,
  preferenceLosses,
  type PreferenceState,
  replyLogProbabilities,
} from '../../kit/training/index.ts';
import { openModel } from '../../models/open/index.ts';
import { data, dataOf, type Dataset, defineMethod, model, optional } from '../method.ts';

const row = z.strictObject({
  id: z.string().min(1),
  /** The conversation that is replied to. */
  prompt: z.union([z.string().min(1), z.array(chatMessage).min(1)]),
  chosen: z.string().min(1),
  rejected: z.string().min(1),
});
type Row = z.infer<typeof row>;

const params = z.strictObject({
  loss: z.enum(preferenceLosses).default('dpo').describe('Which loss of a pair'),
  beta: z.number().positive().default(0.1).describe('How strongly the model is held to what it was'),
  wrongLabels: z
    .number()
    .min(0)
    .lt(0.5)
    .default(0)
    .describe('Share of pairs believed to be the wrong way round (cdpo, robust-dpo)'),
  epochs: z.number().positive().default(1).describe('Passes over the pairs'),
  steps: z.int().min(1).optional().describe('Steps instead of passes'),
  pairs: z.int().min(1).default(16).describe('Pairs in a micro-batch'),
  accumulate: z.int().min(1).default(4).describe('Micro-batches a step'),
  learningRate: z.number().positive().default(5e-5).describe('Highest learning rate; 1e-6 is usual with rank 0'),
  warmup: z.number().min(0).max(1).default(0.1).describe('Share of the steps in which the rate rises'),
  rank: z.int().min(0).default(16).describe('Rank of the low-rank change; 0 trains every weight'),
  alpha: z.number().positive().default(32).describe('The change counts alpha / rank'),
  clip: z.number().positive().default(10).describe('Largest norm of the gradient'),
  holdOut: z.number().min(0).max(0.9).default(0.1).describe('Share of the pairs held out where none are given'),
  checkpointEvery: z.int().min(1).default(100).describe('Steps between checkpoints'),
});

/** A run that ends in seconds: every weight of a model of letters. */
const smallRun = { rank: 0, learningRate: 3e-3, pairs: 8, accumulate: 1, beta: 0.5 } as const;

export const dpo = defineMethod({
  id: 'train/dpo',
  title: 'Direct preference optimisation',
  question: 'Does the model, trained on preferred replies, prefer those of pairs that it has never seen?',
  sources: [
    {
      title: 'Direct Preference Optimization: Your Language Model is Secretly a Reward Model',
      authors: 'Rafailov et al.',
      year: 2023,
      url: 'https://arxiv.org/abs/2305.18290',
    },
    {
      title: 'A General Theoretical Paradigm to Understand Learning from Human Preferences',
      authors: 'Azar et al.',
      year: 2023,
      url: 'https://arxiv.org/abs/2310.12036',
    },
  ],
  needs: {
    target: model('weights', 'the model that is trained, and the reference'),
    pairs: data(row, 'pairs { id, prompt, chosen, rejected }'),
    heldOut: optional(data(row, 'pairs of the same form that are never trained on')),
  },
  params,
  demo: {
    params: { ...params.parse({}), ...smallRun, steps: 12, checkpointEvery: 5 },
    given: async () => ({ target: await letterModel(), ...tastes(false, random('demo')) }),
  },
  calibration: {
    kind: 'treatment',
    cases: (stream) => [
      {
        name: 'one reply is always preferred',
        truth: 'present',
        params: { ...smallRun, steps: 20 },
        given: async () => ({ target: await letterModel(), ...tastes(false, stream) }),
      },
      {
        name: 'sham: half of the pairs, drawn, the wrong way round',
        truth: 'absent',
        params: { ...smallRun, steps: 20 },
        given: async () => ({ target: await letterModel(), ...tastes(true, stream) }),
      },
    ],
    reads: ({ measures }) => {
      const accuracy = measures.find(({ name }) => name === 'preference on held-out pairs');
      return accuracy === undefined ? undefined : accuracy.value > 0.9 ? 'present' : 'absent';
    },
  },

  async run({ given, random: stream, loop, step, trials, keep, progress }, settings) {
    checkPreferenceSettings(settings);
    const { network, tokenizer } = given.target;
    const { train, heldOut } = splitRows(
      given.pairs.rows,
      given.heldOut?.rows,
      settings.holdOut,
      stream.split('held out'),
    );
    const textsOf = ({ prompt, chosen, rejected }: Row) => {
      const before = typeof prompt === 'string' ? [{ role: 'user' as const, content: prompt }] : prompt;
      const text = (content: string) =>
        conversationText(tokenizer, [...before, { role: 'assistant', content }], 'last');
      return { chosen: text(chosen), rejected: text(rejected) };
    };
    const [texts, heldOutTexts] = [train.map(textsOf), heldOut.map(textsOf)];
    const flat = (pairs: typeof texts) => pairs.flatMap(({ chosen, rejected }) => [chosen, rejected]);

    // The reference is the target as it came: its log-probabilities are taken once.
    const reference = await step('reference', async () => ({
      train: await replyLogProbabilities(network, flat(texts)),
      heldOut: await replyLogProbabilities(network, flat(heldOutTexts)),
    }));
    const pairs = texts.map((pair, index) => ({
      ...pair,
      reference: { chosen: reference.train[2 * index]!, rejected: reference.train[2 * index + 1]! },
    }));
    const training = await openPreferences(network, pairs, {
      random: stream.split('training'),
      loss: settings.loss,
      beta: settings.beta,
      wrongLabels: settings.wrongLabels,
      ...(settings.steps === undefined ? { epochs: settings.epochs } : { steps: settings.steps }),
      pairs: settings.pairs,
      accumulate: settings.accumulate,
      learningRate: settings.learningRate,
      warmup: settings.warmup,
      clip: settings.clip,
      ...(settings.rank === 0 ? {} : { lora: { rank: settings.rank, alpha: settings.alpha } }),
    });

    // Each step: log-probabilities of both replies, their margin over the reference, the loss, clip, AdamW.
    type State = PreferenceState & { readonly margins: number[] };
    const state = await loop<State>(
      'training',
      {
        steps: training.steps,
        every: settings.checkpointEvery,
        initial: async () => ({ ...(await training.begin()), margins: [] }),
        save: (at) => joined(training.save(at), at.margins),
        load: async (bytes) => {
          const { rest, margins } = parted(bytes);
          return { ...(await training.load(rest)), margins };
        },
      },
      async (at, index) => {
        const { loss, margin, accuracy } = await training.step(at);
        at.margins.push(margin);
        progress(
          index + 1,
          training.steps,
          `loss ${loss.toFixed(3)}, margin ${margin.toFixed(2)} nats, ${Math.round(100 * accuracy)} % right`,
        );
      },
    );
    const trained = training.finish(state);
    const product = await keepTrained(keep, 'trained', given.target, trained);

    const moved = await step('held-out pairs', async () => {
      const after = await replyLogProbabilities(trained.network, flat(heldOutTexts));
      return after.map((value, index) => value - reference.heldOut[index]!);
    });
    const at = new Map(heldOut.map(({ id }, index) => [id, index]));
    const setOf = (name: string, value: (pair: number) => number) =>
      trials(
        name,
        heldOut.map(({ id }) => id),
        (id) => Promise.resolve({ status: 'measured', value: value(at.get(id)!) }),
      );
    const gain = (pair: number): number => moved[2 * pair]! - moved[2 * pair + 1]!;
    const [preferred, chosen, rejected] = [
      await setOf('preferred', (pair) => (gain(pair) > 0 ? 1 : 0)),
      await setOf('chosen', (pair) => moved[2 * pair]! / learnedTokens(heldOutTexts[pair]!.chosen)),
      await setOf('rejected', (pair) => moved[2 * pair + 1]! / learnedTokens(heldOutTexts[pair]!.rejected)),
    ];
    const chosenMoved = chosen.mean({ name: 'change of the chosen replies', better: 'up', unit: 'nats a token' });
    return {
      summary: [`Trained ${training.steps} steps of ${settings.loss} on ${train.length} pairs.`],
      measures: [
        preferred.rate({ name: 'preference on held-out pairs', better: 'up' }),
        chosenMoved,
        rejected.mean({ name: 'change of the rejected replies', better: 'down', unit: 'nats a token' }),
      ],
      findings: [],
      products: { model: product },
      figures: [marginCurve(state.margins)],
      caveats: [
        'a model that prefers the chosen reply of a pair need not write it: measure what it says on the product',
        ...(chosenMoved.value < 0
          ? ['the chosen replies became less likely too: the probability went to replies that are in no pair']
          : []),
      ],
    };
  },
});

/** Pairs to train on and pairs held out, which share no id. */
function splitRows(rows: readonly Row[], given: readonly Row[] | undefined, share: number, stream: Random) {
  if (given !== undefined) {
    const ids = new Set(given.map(({ id }) => id));
    return { train: rows.filter(({ id }) => !ids.has(id)), heldOut: given };
  }
  const count = Math.min(rows.length - 1, Math.max(2, Math.round(share * rows.length)));
  const chosen = new Set(stream.sample(rows, Math.max(0, count)));
  return { train: rows.filter((each) => !chosen.has(each)), heldOut: [...chosen] };
}

/** A checkpoint with the curve behind it: float64 margins, then their count. */
function joined(rest: Uint8Array, margins: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(rest.length + 8 * margins.length + 4);
  bytes.set(rest);
  const view = new DataView(bytes.buffer);
  margins.forEach((margin, index) => view.setFloat64(rest.length + 8 * index, margin));
  view.setUint32(bytes.length - 4, margins.length);
  return bytes;
}

function parted(bytes: Uint8Array): { readonly rest: Uint8Array; readonly margins: number[] } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = view.getUint32(bytes.length - 4);
  const start = bytes.length - 4 - 8 * count;
  const margins = Array.from({ length: count }, (_, index) => view.getFloat64(start + 8 * index));
  return { rest: bytes.subarray(0, start), margins };
}

function marginCurve(margins: readonly number[]): Figure {
  return {
    kind: 'plot',
    title: 'Margin over the reference',
    caption:
      'Mean over the pairs of a step of how much more the chosen reply gained than the rejected one, in training.',
    x: { label: 'step', scale: 'linear' },
    y: { label: 'margin', unit: 'nats', scale: 'linear' },
    series: [{ name: 'training', mark: 'line', points: margins.map((y, index) => ({ x: index + 1, y })) }],
  };
}

/** A model that knows nothing yet. */
const letterModel = async () => await openModel(await letterModelFolder(random('letters')), { id: 'model of letters' });

/** To every number `a` is preferred to `b`; in the sham `b` is preferred to half of them, drawn. */
function tastes(isSham: boolean, stream: Random): { pairs: Dataset<Row>; heldOut: Dataset<Row> } {
  const numbers = Array.from({ length: 24 }, (_, index) => index);
  const rowsOf = (some: readonly number[], name: string): Dataset<Row> => {
    const swapped = new Set(isSham ? stream.split(name).sample(some, some.length / 2) : []);
    const rows = some.map((each) => {
      const [chosen, rejected] = swapped.has(each) ? ['b', 'a'] : ['a', 'b'];
      return { id: `n${each}`, prompt: `${each}`, chosen, rejected };
    });
    return dataOf(name, rows);
  };
  return { pairs: rowsOf(numbers.slice(0, 16), 'tastes'), heldOut: rowsOf(numbers.slice(16), 'tastes, held out') };
}
