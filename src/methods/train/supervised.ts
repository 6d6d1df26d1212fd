/**
 * Supervised training of a model on conversations: all of its weights, or a low-rank change beside them.
 *
 * Card O-C1, step 1 (Ouyang et al. 2022: cross-entropy on responses only) and Hu et al. 2021 (LoRA). Departures from
 * what trainers do: texts share a row without seeing each other; the loss of a step is one mean over its tokens however
 * they are spread over micro-batches; and what is reported is the loss on rows that were held out, before and after, of
 * each text alone. Needs the weights of its target; the product opens as a model: `--target artefact:<hash>`.
 */
import { z } from 'zod';
import type { Figure } from '../../core/figures.ts';
import { random, type Random } from '../../core/random.ts';
import { keepTrained } from '../../kit/products/index.ts';
import {
  letterModelFolder,
  lossesOf,
  openSupervised,
  rowText,
  shuffledSource,
  type SupervisedState,
  type TrainingRow,
  trainingRow,
} from '../../kit/training/index.ts';
import { openModel } from '../../models/open/index.ts';
import { data, dataOf, type Dataset, defineMethod, model, optional } from '../method.ts';

const params = z.strictObject({
  epochs: z.number().positive().default(1).describe('Passes over the rows'),
  steps: z.int().min(1).optional().describe('Steps instead of passes'),
  learningRate: z.number().positive().default(3e-4).describe('Highest learning rate'),
  warmup: z.number().min(0).max(1).default(0.03).describe('Share of the steps in which the rate rises'),
  finalRate: z.number().min(0).max(1).default(0.1).describe('What the rate falls to, as a share of the highest'),
  rank: z.int().min(0).default(16).describe('Rank of the low-rank change; 0 trains every weight'),
  alpha: z.number().positive().default(32).describe('The change counts alpha / rank'),
  targets: z
    .array(z.string())
    .default([])
    .describe('Matrices that are changed, for example q_proj,v_proj; all unless told'),
  batchTokens: z.int().min(16).default(4096).describe('Places for tokens in a micro-batch'),
  rowTokens: z.int().min(0).default(0).describe('Places in a row; 0 takes what the longest text needs'),
  accumulate: z.int().min(1).default(1).describe('Micro-batches a step'),
  weightDecay: z.number().min(0).default(0).describe("AdamW's decay of matrices"),
  clip: z.number().positive().default(1).describe('Largest norm of the gradient'),
  turns: z.enum(['all', 'last']).default('all').describe('Which turns of the assistant are learned'),
  holdOut: z.number().min(0).max(0.9).default(0.1).describe('Share of the rows held out where none are given'),
  evaluateEvery: z.int().min(0).default(0).describe('Steps between looks at held-out rows; 0 takes a tenth of all'),
  patience: z.int().min(1).default(3).describe('Evaluations without a better loss after which training stops'),
  checkpointEvery: z.int().min(1).default(100).describe('Steps between checkpoints'),
});

/** A run that ends in seconds: every weight of a model of letters. */
const smallRun = { rank: 0, learningRate: 1e-2, batchTokens: 256, patience: 100 } as const;

export const supervised = defineMethod({
  id: 'train/supervised',
  title: 'Supervised training',
  question: 'How much better does the model predict held-out replies once it was trained on others like them?',
  sources: [
    {
      title: 'Training language models to follow instructions with human feedback',
      authors: 'Ouyang et al.',
      year: 2022,
      url: 'https://arxiv.org/abs/2203.02155',
    },
    {
      title: 'LoRA: Low-Rank Adaptation of Large Language Models',
      authors: 'Hu et al.',
      year: 2021,
      url: 'https://arxiv.org/abs/2106.09685',
    },
  ],
  needs: {
    target: model('weights', 'the model that is trained'),
    rows: data(trainingRow, 'conversations { id, messages }, or { id, prompt, completion }'),
    heldOut: optional(data(trainingRow, 'rows of the same form that are never trained on')),
  },
  params,
  demo: {
    params: { ...params.parse({}), ...smallRun, steps: 24, checkpointEvery: 10 },
    given: async () => ({ target: await letterModel(), ...echoes(random('demo'), false) }),
  },
  calibration: {
    kind: 'treatment',
    cases: (stream) => [
      {
        name: 'trained on what is asked',
        truth: 'present',
        params: { ...smallRun, steps: 100 },
        given: async () => ({ target: await letterModel(), ...echoes(stream, false) }),
      },
      {
        name: 'sham: the same replies to other prompts',
        truth: 'absent',
        params: { ...smallRun, steps: 100 },
        given: async () => ({ target: await letterModel(), ...echoes(stream, true) }),
      },
    ],
    // Knowing which letters there are and not which one is asked for costs half of ln 6 nats a token.
    reads: ({ measures }) => {
      const after = measures.find(({ name }) => name === 'held-out loss after training');
      return after === undefined ? undefined : after.value < 0.5 ? 'present' : 'absent';
    },
  },

  async run({ given, random: stream, loop, step, trials, keep, progress }, settings) {
    const { network, tokenizer } = given.target;
    const split = splitRows(given.rows.rows, given.heldOut?.rows, settings.holdOut, stream.split('held out'));
    const texts = split.train.map((row) => rowText(tokenizer, row, settings.turns));
    const heldOut = split.heldOut.map((row) => rowText(tokenizer, row, settings.turns));

    const training = await openSupervised(network, shuffledSource(texts, stream.split('order')), {
      random: stream.split('training'),
      ...(settings.steps === undefined ? { epochs: settings.epochs } : { steps: settings.steps }),
      ...(settings.rowTokens === 0 ? {} : { time: settings.rowTokens }),
      batchTokens: settings.batchTokens,
      accumulate: settings.accumulate,
      learningRate: settings.learningRate,
      warmup: settings.warmup,
      finalRate: settings.finalRate,
      weightDecay: settings.weightDecay,
      clip: settings.clip,
      ...(settings.rank === 0
        ? {}
        : {
            lora: {
              rank: settings.rank,
              alpha: settings.alpha,
              ...(settings.targets.length === 0 ? {} : { targets: settings.targets }),
            },
          }),
      evaluation: {
        texts: heldOut,
        patience: settings.patience,
        ...(settings.evaluateEvery === 0 ? {} : { every: settings.evaluateEvery }),
      },
    });

    // Each step: pack texts into rows, gradients over micro-batches, clip, AdamW; evaluate where it is due.
    const state = await loop<SupervisedState>(
      'training',
      {
        steps: training.steps,
        every: settings.checkpointEvery,
        initial: () => training.begin(),
        save: (at) => training.save(at),
        load: (bytes) => training.load(bytes),
      },
      async (at, index) => {
        const report = await training.step(at);
        if (report === undefined) return;
        const { loss, tokensPerSecond, shareOfPeak } = report;
        progress(
          index + 1,
          training.steps,
          `loss ${loss.toFixed(3)}, ${Math.round(tokensPerSecond)} tokens a second, ${Math.round(100 * shareOfPeak)} % of peak`,
        );
      },
    );
    const trained = training.finish(state);
    const product = await keepTrained(keep, 'trained', given.target, trained);

    const losses = await step('losses', async () => ({
      before: await lossesOf(network, heldOut),
      after: await lossesOf(trained.network, heldOut),
    }));
    const at = new Map(split.heldOut.map(({ id }, index) => [id, index]));
    const setOf = (name: 'before' | 'after') =>
      trials(
        name,
        split.heldOut.map(({ id }) => id),
        (id) => Promise.resolve({ status: 'measured', value: losses[name][at.get(id)!]! }),
      );
    const [before, after] = [await setOf('before'), await setOf('after')];
    const nats = { better: 'down', unit: 'nats a token' } as const;
    return {
      summary: [
        `${training.steps === trained.steps ? 'Trained' : `Stopped (${trained.stopped ?? 'ended'}) after`} ${trained.steps} steps on ${split.train.length} rows, ${trained.tokens} tokens.`,
      ],
      measures: [
        after.mean({ name: 'held-out loss after training', ...nats }),
        before.mean({ name: 'held-out loss before training', ...nats }),
      ],
      findings: [],
      products: { model: product },
      figures: [lossCurve(trained.evaluations)],
      caveats: [
        'a lower loss on replies like those trained on says nothing of other behaviour: measure that on the product',
        ...(given.heldOut === undefined
          ? ['held-out rows are drawn from the same file: paraphrases of one row may lie on both sides']
          : []),
      ],
    };
  },
});

/** Rows to train on and rows held out, which share no id. */
function splitRows(
  rows: readonly TrainingRow[],
  given: readonly TrainingRow[] | undefined,
  share: number,
  stream: Random,
): { readonly train: readonly TrainingRow[]; readonly heldOut: readonly TrainingRow[] } {
  if (given !== undefined) {
    const ids = new Set(given.map(({ id }) => id));
    return { train: rows.filter(({ id }) => !ids.has(id)), heldOut: given };
  }
  const count = Math.min(rows.length - 1, Math.max(2, Math.round(share * rows.length)));
  const chosen = new Set(stream.sample(rows, Math.max(0, count)));
  return { train: rows.filter((row) => !chosen.has(row)), heldOut: [...chosen] };
}

function lossCurve(evaluations: readonly { readonly step: number; readonly loss: number }[]): Figure {
  return {
    kind: 'plot',
    title: 'Loss on held-out rows',
    caption: 'Mean loss over the learned tokens of rows that were never trained on, while training.',
    x: { label: 'step', scale: 'linear' },
    y: { label: 'loss', unit: 'nats a token', scale: 'linear' },
    series: [{ name: 'held out', mark: 'line', points: evaluations.map(({ step, loss }) => ({ x: step, y: loss })) }],
  };
}

/** A model that knows nothing yet. */
const letterModel = async () => await openModel(await letterModelFolder(random('letters')), { id: 'model of letters' });

const LETTERS = ['b', 'd', 'f', 'g', 'h', 'k'];

const FORMS = [0, 1, 2, 3].map((digit) => (letter: string) => `${letter}${digit}`);

/**
 * A letter and a digit ask for the letter; one digit of each letter is held out. In the sham each prompt has
 * another one's reply.
 */
function echoes(stream: Random, isSham: boolean): { rows: Dataset<TrainingRow>; heldOut: Dataset<TrainingRow> } {
  const asked = LETTERS.flatMap((letter, at) =>
    FORMS.map((form, index) => ({
      id: `${letter}${index}`,
      letter,
      content: form(letter),
      isHeldOut: index === at % FORMS.length,
    })),
  );
  const replies = isSham ? stream.shuffle(asked).map(({ letter }) => letter) : asked.map(({ letter }) => letter);
  const rows = asked.map(({ id, content, isHeldOut }, index) => {
    const messages = [
      { role: 'user' as const, content },
      { role: 'assistant' as const, content: replies[index]! },
    ];
    return { isHeldOut, row: { id, messages } };
  });
  const some = (isWanted: boolean): TrainingRow[] =>
    rows.filter(({ isHeldOut }) => isHeldOut === isWanted).map(({ row }) => row);
  return { rows: dataOf('echoes', some(false)), heldOut: dataOf('echoes, held out', some(true)) };
}
