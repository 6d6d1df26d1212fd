/**
 * A sparse autoencoder over the activations of an open model: features as directions, few at a time.
 *
 * Sources: Bricken et al. 2023; Gao et al. 2024, arXiv 2406.04093 (TopK); Bussmann et al. 2024, arXiv 2412.06410
 * (BatchTopK) and 2025, arXiv 2503.17547 (Matryoshka); Rajamanoharan et al. 2024, arXiv 2407.14435 (JumpReLU); metrics
 * as in SAELens. The losses are in kit/dictionary/losses.ts, with what peers got wrong. Departs in its buffer, whose
 * batches depend on their number alone, and in judging on texts that were never trained on, with intervals over texts.
 * Needs the model's weights and some texts of the kind that it reads.
 */
import { z } from 'zod';
import { FiducialError, show } from '../../core/errors.ts';
import type { Figure } from '../../core/figures.ts';
import type { Measure } from '../../core/measures.ts';
import type { Random } from '../../core/random.ts';
import { bootstrap } from '../../core/statistics/index.ts';
import { activationSource, type ActivationSource, activationStream } from '../../kit/dictionary/activations.ts';
import { type Dictionary, dictionaryForms, encoderOf, saveDictionary } from '../../kit/dictionary/dictionary.ts';
import {
  codeStatistics,
  densityShares,
  lossRecovered,
  reconstructionOf,
  reconstructionSums,
} from '../../kit/dictionary/metrics.ts';
import { meanMaxCosine } from '../../kit/dictionary/planted-features.ts';
import { plantedDictionaryCase } from '../../kit/dictionary/planted-texts.ts';
import { type SplicedLosses, splicedLosses } from '../../kit/dictionary/spliced-losses.ts';
import { openTrainer, type TrainingState } from '../../kit/dictionary/train.ts';
import { type Network, parseSite } from '../../network/index.ts';
import { data, dataOf, defineMethod, model, optional } from '../method.ts';

const row = z.strictObject({ id: z.string().min(1), text: z.string().min(1), cluster: z.string().optional() });
const direction = z.strictObject({ id: z.string().min(1), direction: z.array(z.number()).min(1) });

const params = z.strictObject({
  site: z
    .string()
    .optional()
    .describe('Tap to read, as blocks.3.resid_post; unless told the stream after the middle layer'),
  form: z.enum(dictionaryForms).default('topk').describe('How codes are made sparse'),
  latents: z.int().min(1).optional().describe('Latents of the dictionary; unless told eight for each dimension'),
  k: z.int().min(1).default(32).describe('Codes that are not zero (TopK family)'),
  steps: z.int().min(1).default(20_000).describe('Training steps'),
  batch: z.int().min(1).default(2048).describe('Activations a step'),
  rate: z.number().positive().optional().describe("Adam's rate; the form's own unless told"),
  sparsity: z.number().min(0).optional().describe('Factor on the sparsity term of l1 and jumprelu'),
  targetL0: z.number().positive().optional().describe('JumpReLU: aim at so many codes'),
  nested: z.array(z.int().min(1)).optional().describe('Matryoshka: sizes of the nested dictionaries'),
  deadAfter: z.int().min(1).optional().describe('Activations without use after which a latent counts as dead'),
  skip: z.int().min(0).default(1).describe('Positions left out at the start of each text'),
  heldOut: z.number().gt(0).lt(1).default(0.1).describe('Share of the texts that it is judged on'),
  buffer: z.int().min(1).default(262_144).describe('Activations held at once'),
});
type Params = z.infer<typeof params>;

export const sparseAutoencoder = defineMethod({
  id: 'interpret/sparse-autoencoder',
  title: 'Sparse autoencoder',
  question:
    'Which directions does a model add up to make its activations, and how much of them do few at a time explain?',
  sources: [
    {
      title: 'Scaling and evaluating sparse autoencoders',
      authors: 'Gao et al.',
      year: 2024,
      url: 'https://arxiv.org/abs/2406.04093',
    },
    {
      title: 'BatchTopK Sparse Autoencoders',
      authors: 'Bussmann et al.',
      year: 2024,
      url: 'https://arxiv.org/abs/2412.06410',
    },
    {
      title: 'Learning Multi-Level Features with Matryoshka Sparse Autoencoders',
      authors: 'Bussmann et al.',
      year: 2025,
      url: 'https://arxiv.org/abs/2503.17547',
    },
    {
      title: 'Jumping Ahead: Improving Reconstruction Fidelity with JumpReLU Sparse Autoencoders',
      authors: 'Rajamanoharan et al.',
      year: 2024,
      url: 'https://arxiv.org/abs/2407.14435',
    },
  ],
  needs: {
    target: model('weights', 'the model whose activations are explained'),
    texts: data(row, 'rows { id, text, cluster? } of the kind that the model reads'),
    directions: optional(data(direction, 'rows { id, direction } that are known to be there, to compare with')),
  },
  params,
  demo: {
    params: { ...plantedParams(), steps: 300, heldOut: 0.2 },
    given: () => plantedGiven('features', undefined),
  },
  calibration: {
    kind: 'finder',
    cases: () =>
      (['present', 'absent'] as const).flatMap((truth) =>
        Array.from({ length: 20 }, (_, i) => ({
          name: `${truth === 'present' ? 'sums of few directions' : 'dense noise'}, ${i + 1}`,
          truth,
          params: { ...plantedParams(), steps: 300, heldOut: 0.2 },
          given: (random: Random) => plantedGiven(truth === 'present' ? 'features' : 'noise', random),
        })),
      ),
    reads: ({ measures }) => {
      const explained = measures.find(({ name }) => name === 'explained variance');
      return explained === undefined ? undefined : explained.value > 0.75 ? 'present' : 'absent';
    },
  },

  async run({ given, loop, step, keep, progress, random }, settings) {
    const { network, tokenizer } = given.target;
    const site = settings.site ?? `blocks.${Math.floor(network.description.layers / 2)}.resid_post`;
    parseSite(network.description, site);
    const encoded = given.texts.rows.map(({ id, text, cluster }) => ({
      id,
      cluster: cluster ?? id,
      ids: tokenizer.encode(text).slice(0, network.description.context),
    }));
    const { trained, heldOut } = splitTexts(encoded, settings.heldOut, random.split('held out'));

    const source = activationSource(
      network,
      site,
      trained.map(({ ids }) => ids),
      settings.skip,
    );
    const stream = activationStream(source, settings, random.split('stream'));
    const latents = settings.latents ?? 8 * source.width;
    const wanted = given.directions === undefined ? undefined : joinedDirections(given.directions.rows, source.width);
    const trainer = openTrainer({ ...settings, latents, k: Math.min(settings.k, latents) });
    const { dictionary, curve } = await loop(
      'training',
      {
        steps: settings.steps,
        every: Math.max(100, Math.ceil(settings.steps / 20)),
        initial: async () =>
          trainer.initial(await firstRows(stream, settings), source.width, random.split('dictionary')),
        save: (state: TrainingState) => trainer.save(state),
        load: (bytes) => trainer.load(bytes),
      },
      async (state, index) => void (await trainer.step(state, await stream.batch(index))),
    );

    const judged = await step('held-out', async () => {
      progress(0, 1, 'judging on held-out texts');
      return await judge(network, site, dictionary, heldOut, settings.skip);
    });
    const product = await keep(
      'dictionary',
      await saveDictionary(dictionary, { model: given.target.id, site, skip: String(settings.skip) }),
      'application/octet-stream',
    );
    const measures = measuresOf(judged, random.split('intervals'));
    if (wanted !== undefined) {
      const rows = dictionary.parameters.decoder.data as Float32Array;
      const { value, low, high, n } = meanMaxCosine(wanted, rows, source.width);
      measures.push({ name: 'mean max cosine', value, low, high, confidence: 0.95, n, unit: 'score', better: 'up' });
    }
    return {
      measures,
      findings: [],
      products: { dictionary: product },
      figures: figuresOf(judged, curve),
      caveats: caveatsOf(judged, settings, source),
    };
  },
});

/** Rows of known directions as one array. @throws FiducialError `dictionary.bad-direction` */
function joinedDirections(rows: readonly z.infer<typeof direction>[], width: number): Float32Array {
  const bad = rows.find((each) => each.direction.length !== width);
  if (bad !== undefined) {
    throw new FiducialError(
      'dictionary.bad-direction',
      `The direction ${show(bad.id)} has ${bad.direction.length} entries, and the site ${width}`,
      'Give directions of the site that is read.',
    );
  }
  return Float32Array.from(rows.flatMap((each) => each.direction));
}

interface EncodedText {
  readonly id: string;
  readonly cluster: string;
  readonly ids: readonly number[];
}

/** Whole clusters are held out, never positions of a text that is trained on. */
function splitTexts(texts: readonly EncodedText[], share: number, random: Random) {
  const clusters = [...new Set(texts.map(({ cluster }) => cluster))];
  const count = Math.min(clusters.length - 1, Math.max(2, Math.round(share * clusters.length)));
  const held = new Set(random.shuffle(clusters).slice(0, Math.max(1, count)));
  return {
    trained: texts.filter(({ cluster }) => !held.has(cluster)),
    heldOut: texts.filter(({ cluster }) => held.has(cluster)).slice(0, MOST_HELD_OUT),
  };
}

/** Judging more texts than this changes no figure and takes long. */
const MOST_HELD_OUT = 500;

/** What scale and centre are taken from. */
async function firstRows(
  stream: { batch(i: number): Promise<Float32Array> },
  { batch }: Params,
): Promise<Float32Array> {
  const parts: Float32Array[] = [];
  for (let i = 0; i * batch < 4096; i++) parts.push(await stream.batch(i));
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

type Judged = {
  /** One entry a text. */
  readonly texts: readonly {
    readonly id: string;
    readonly cluster: string;
    readonly rows: number;
    readonly codes: number;
    /** Squared distances from the mean over all texts, of activations and of residuals. */
    readonly spread: number;
    readonly left: number;
    /** Summed losses in nats, and the tokens they are over. */
    readonly tokens: number;
    readonly clean: number;
    readonly patched: number;
    readonly ablated: number;
  }[];
  readonly density: readonly number[];
  readonly cosine: number;
  readonly lengths: number;
  readonly relativeBias: number;
};

/** Everything that the measures need, of texts that were not trained on. */
async function judge(
  network: Network,
  site: string,
  dictionary: Dictionary,
  texts: readonly EncodedText[],
  skip: number,
): Promise<Judged> {
  const { width, latents } = dictionary;
  const source = activationSource(
    network,
    site,
    texts.map(({ ids }) => ids),
    skip,
  );
  const encode = encoderOf(dictionary);
  const usable = texts.flatMap((text, i) => (source.counts[i]! > 0 ? [{ ...text, at: i }] : []));
  const read: { x: Float32Array; rebuilt: Float32Array; codes: number }[] = [];
  const uses = new Float64Array(latents);
  let rows = 0;
  for (const { at } of usable) {
    const [x] = await source.read([at]);
    const { codes, rebuilt } = await encode(x!);
    const seen = codeStatistics(codes, latents);
    for (let i = 0; i < latents; i++) uses[i]! += seen.density[i]! * seen.rows;
    rows += seen.rows;
    read.push({ x: x!, rebuilt, codes: seen.l0 * seen.rows });
  }
  const sums = read.map(({ x, rebuilt }) => reconstructionSums(x, rebuilt, width));
  const { cosine, lengths, relativeBias } = reconstructionOf(sums);
  const meanOf = (pick: (one: (typeof sums)[number]) => Float64Array): Float64Array =>
    Float64Array.from({ length: width }, (_, j) => sums.reduce((total, one) => total + pick(one)[j]!, 0) / rows);
  const [centre, drift] = [meanOf((one) => one.x), meanOf((one) => one.residual)];
  const losses: SplicedLosses[] = [];
  for (let at = 0; at < usable.length; at += 16) {
    const some = usable.slice(at, at + 16);
    const rebuilt = read.slice(at, at + 16).map((one) => one.rebuilt);
    losses.push(
      ...(await splicedLosses(
        network,
        site,
        some.map(({ ids }) => ids),
        skip,
        rebuilt,
      )),
    );
  }
  return {
    texts: usable.map(({ id, cluster }, i) => ({
      id,
      cluster,
      rows: sums[i]!.rows,
      codes: read[i]!.codes,
      spread: around(sums[i]!.x, sums[i]!.squared, centre, sums[i]!.rows),
      left: around(sums[i]!.residual, sums[i]!.residualSquared, drift, sums[i]!.rows),
      ...losses[i]!,
    })),
    density: [...uses].map((count) => count / rows),
    cosine,
    lengths,
    relativeBias,
  };
}

/** Sum over rows and dimensions of squared distances from a point, from sums of values and of their squares. */
function around(sum: Float64Array, squared: Float64Array, point: Float64Array, rows: number): number {
  let total = 0;
  for (let j = 0; j < sum.length; j++) total += squared[j]! - 2 * point[j]! * sum[j]! + rows * point[j]! ** 2;
  return total;
}

function measuresOf({ texts, density, cosine, lengths, relativeBias }: Judged, random: Random): Measure[] {
  type Text = Judged['texts'][number];
  const total = (of: readonly Text[], pick: (text: Text) => number): number =>
    of.reduce((sum, text) => sum + pick(text), 0);
  const over = (
    name: string,
    unit: string,
    better: 'up' | 'down',
    statistic: (of: readonly Text[]) => number,
  ): Measure => {
    const clusters = new Set(texts.map(({ cluster }) => cluster)).size;
    const value = statistic(texts);
    const { low, high } =
      clusters < 2
        ? { low: -Infinity, high: Infinity }
        : bootstrap(texts, statistic, random.split(name), {
            method: 'percentile',
            resamples: 500,
            cluster: ({ cluster }) => cluster,
          });
    return {
      name,
      value,
      low: Math.min(low, value),
      high: Math.max(high, value),
      confidence: 0.95,
      n: texts.length,
      unit,
      better,
    };
  };
  const loss = (of: readonly Text[]) => {
    const tokens = total(of, (text) => text.tokens);
    return lossRecovered({
      clean: total(of, (text) => text.clean) / tokens,
      patched: total(of, (text) => text.patched) / tokens,
      ablated: total(of, (text) => text.ablated) / tokens,
    });
  };
  const rows = total(texts, (text) => text.rows);
  const plain = (name: string, value: number, n: number, unit: string, better: 'up' | 'down'): Measure => ({
    name,
    value,
    low: value,
    high: value,
    confidence: 0.95,
    n,
    unit,
    better,
  });
  const shares = densityShares({ density: Float64Array.from(density), l0: 0, strength: new Float64Array(0), rows });
  return [
    over(
      'explained variance',
      'share',
      'up',
      (of) => 1 - total(of, (text) => text.left) / total(of, (text) => text.spread),
    ),
    over(
      'codes an activation',
      'codes',
      'down',
      (of) => total(of, (text) => text.codes) / total(of, (text) => text.rows),
    ),
    over('loss added by the reconstruction', 'nats a token', 'down', (of) => loss(of).rise),
    ...(loss(texts).recovered === undefined
      ? []
      : [over('loss recovered, against zeros', 'share', 'up', (of) => loss(of).recovered ?? 0)]),
    plain('latents unused on held-out texts', shares.dead, density.length, 'share', 'down'),
    plain('latents used on more than 1 %', shares.above1, density.length, 'share', 'down'),
    plain('latents used on more than 10 %', shares.above10, density.length, 'share', 'down'),
    plain('cosine with the reconstruction', cosine, rows, 'score', 'up'),
    plain('length of the reconstruction over its own', lengths, rows, 'score', 'up'),
    plain('relative bias of the reconstruction', relativeBias, rows, 'score', 'up'),
  ];
}

function figuresOf({ density }: Judged, curve: TrainingState['curve']): Figure[] {
  const bins = Array.from({ length: 13 }, (_, i) => -6 + i / 2);
  const counts = bins.map(
    (from) => density.filter((x) => x > 0 && Math.log10(x) >= from && Math.log10(x) < from + 0.5).length,
  );
  return [
    {
      kind: 'plot',
      title: 'Training',
      caption: 'The share of the variance that the dictionary leaves unexplained falls as it is trained.',
      x: { label: 'step', scale: 'linear' },
      y: { label: 'unexplained variance', scale: 'linear' },
      series: [
        {
          name: 'training batches',
          mark: 'line',
          points: curve.map(({ step, unexplained }) => ({ x: step, y: unexplained })),
        },
      ],
    },
    {
      kind: 'plot',
      title: 'How often latents are used',
      caption: 'Latents by the share of held-out activations on which they are used; those never used are not drawn.',
      x: { label: 'share of activations, log10', scale: 'linear' },
      y: { label: 'latents', scale: 'linear' },
      series: [{ name: 'latents', mark: 'bar', points: bins.map((from, i) => ({ x: from + 0.25, y: counts[i]! })) }],
    },
  ];
}

function caveatsOf({ texts }: Judged, { steps, batch }: Params, { counts }: ActivationSource): string[] {
  const own = counts.reduce((sum, count) => sum + count, 0);
  return [
    `zeros at a site can cost a model everything, so the loss recovered flatters; the loss added does not`,
    `unused means unused on ${texts.reduce((sum, { rows }) => sum + rows, 0)} held-out activations`,
    ...(steps * batch > 20 * own
      ? [`${own} activations were seen ${Math.round((steps * batch) / own)} times: more texts would serve better`]
      : []),
  ];
}

function plantedParams() {
  return {
    site: 'blocks.0.resid_pre',
    form: 'topk' as const,
    latents: 48,
    k: 2,
    batch: 256,
    skip: 0,
    buffer: 262_144,
  };
}

async function plantedGiven(kind: 'features' | 'noise', random: Random | undefined) {
  const { target, texts, directions } = plantedDictionaryCase(kind, random);
  return {
    target,
    texts: dataOf('planted texts', texts),
    directions: kind === 'noise' ? undefined : dataOf('planted directions', directions),
  };
}
