/**
 * Linear probes: whether a property can be read off a model's activations by a line, and whether that means anything.
 *
 * Source: Hewitt and Liang 2019, "Designing and Interpreting Probes with Control Tasks", arXiv 1909.03368 (control
 * tasks, selectivity); Alain and Bengio 2016 (probes by layer). L2 logistic regression whose C and layer are chosen on a
 * validation part; the difference of means beside it, which is not trained. Departs from them in carrying every control
 * at once: a random label for each word type, permuted labels, an untrained model, and the words alone. Parts are made
 * of whole clusters. Needs weights and labelled texts; the position that is read is the one that a guard would read.
 */
import { z } from 'zod';
import { FiducialError } from '../../core/errors.ts';
import type { Figure } from '../../core/figures.ts';
import type { Measure } from '../../core/measures.ts';
import { rate } from '../../core/observations.ts';
import { type Random, random as randomOf } from '../../core/random.ts';
import { auroc } from '../../core/statistics/index.ts';
import {
  type LinearProbe,
  logisticRegression,
  scaled,
  type Scaling,
  scalingOf,
  scoreOf,
  unscaled,
} from '../../kit/directions/logistic.ts';
import { cosineOf, dotOf, meanDifference } from '../../kit/directions/mean-difference.ts';
import { plantedModel } from '../../kit/directions/planted-model.ts';
import { safetensorsBytes } from '../../network/checkpoint/index.ts';
import { initialiseNetwork, type Network, parseSite } from '../../network/index.ts';
import { data, dataOf, defineMethod, model, optional } from '../method.ts';

const row = z.strictObject({
  id: z.string().min(1),
  text: z.string().min(1),
  label: z.union([z.literal(0), z.literal(1)]),
  cluster: z.string().optional(),
});
type Row = z.infer<typeof row>;

const params = z.strictObject({
  sites: z.array(z.string()).optional().describe('Taps to read; unless told the stream after every layer'),
  position: z.enum(['last', 'mean']).default('last').describe('Activation of the last token, or the mean over all'),
  cs: z
    .array(z.number().positive())
    .min(1)
    .default([0.001, 0.01, 0.1, 1])
    .describe('Strengths tried, as C of logistic regression'),
  permutations: z.int().min(1).max(1000).default(5).describe('Probes on permuted labels'),
});
type Params = z.infer<typeof params>;

export const probe = defineMethod({
  id: 'interpret/probe',
  title: 'Linear probe',
  question: 'Can a property be read off the activations by a line, better than any labels could be?',
  sources: [
    {
      title: 'Designing and Interpreting Probes with Control Tasks',
      authors: 'Hewitt and Liang',
      year: 2019,
      url: 'https://arxiv.org/abs/1909.03368',
    },
  ],
  needs: {
    target: model('weights', 'the model whose activations are read'),
    texts: data(row, 'rows { id, text, label: 0 or 1, cluster? }'),
    transfer: optional(data(row, 'rows of another kind, on which the same probe is judged')),
  },
  params,
  demo: { params: plantedSettings(), given: () => plantedGiven('along a direction', undefined) },
  calibration: {
    kind: 'finder',
    cases: () =>
      (['present', 'absent'] as const).flatMap((truth) =>
        Array.from({ length: 20 }, (_, i) => ({
          name: `${truth === 'present' ? 'labels along a direction' : 'labels of their own'}, ${i + 1}`,
          truth,
          given: (random: Random) => plantedGiven(truth === 'present' ? 'along a direction' : 'by chance', random),
        })),
      ),
    reads: ({ measures }) => {
      const area = measures.find(({ name }) => name === 'AUROC on test texts');
      return area === undefined ? undefined : area.low > 0.6 ? 'present' : 'absent';
    },
  },

  async run({ given, step, keep, random, progress }, settings) {
    const { network, tokenizer } = given.target;
    const sites =
      settings.sites ?? Array.from({ length: network.description.layers }, (_, layer) => `blocks.${layer}.resid_post`);
    for (const site of sites) parseSite(network.description, site);
    const { rows } = given.texts;
    const ids = rows.map(({ text }) => tokenizer.encode(text).slice(0, network.description.context));
    const parts = partsOf(rows, random.split('parts'));
    const labels = rows.map(({ label }) => label);
    const at = <T>(values: readonly T[], part: readonly number[]): T[] => part.map((i) => values[i]!);

    // One probe for each site and C, chosen by what it does on the validation part.
    const activations = await readAll(network, sites, ids, settings.position);
    const sweep = await step('sweep', async () =>
      sites.map((site, s) => {
        progress(s, sites.length, site);
        return settings.cs.map((c) => {
          const { fitted, scaling } = fit(at(activations[s]!, parts.train), at(labels, parts.train), c);
          return areaOf(scoresOf(fitted, scaling, at(activations[s]!, parts.validation)), at(labels, parts.validation));
        });
      }),
    );
    let best = { site: 0, c: 0 };
    sweep.forEach((areas, site) =>
      areas.forEach((area, c) => {
        if (area > sweep[best.site]![best.c]!) best = { site, c };
      }),
    );
    const c = settings.cs[best.c]!;
    const x = activations[best.site]!;
    const [test, testLabels] = [parts.test, at(labels, parts.test)];

    const { fitted, scaling } = fit(at(x, parts.train), at(labels, parts.train), c);
    const scores = scoresOf(fitted, scaling, at(x, test));
    const own = unscaled(fitted, scaling);
    const correct = accuracyOf(scores, testLabels);
    const difference = meanDifference(
      at(
        x,
        parts.train.filter((i) => labels[i] === 1),
      ),
      at(
        x,
        parts.train.filter((i) => labels[i] === 0),
      ),
    ).direction;

    const controls = await step('controls', async () => {
      const retrained = (features: readonly ArrayLike<number>[], other: readonly number[]): number => {
        const again = fit(at(features, parts.train), at(other, parts.train), c);
        return accuracyOf(scoresOf(again.fitted, again.scaling, at(features, test)), at(other, test)).share;
      };
      const types = controlLabels(ids, random.split('control task'));
      const [untrained] = await readAll(
        initialiseNetwork(network.config, random.split('untrained')),
        [sites[best.site]!],
        ids,
        settings.position,
      );
      return {
        task: retrained(x, types),
        permuted: mean(
          Array.from({ length: settings.permutations }, (_, i) =>
            retrained(x, random.split('permuted').split(i).shuffle(labels)),
          ),
        ),
        untrained: retrained(untrained!, labels),
        words: retrained(bagOfTokens(ids, parts.train), labels),
      };
    });

    const product = await keep(
      'probe',
      await safetensorsBytes(
        [
          { name: 'weights', dtype: 'F32', shape: [own.weights.length], data: Float32Array.from(own.weights) },
          { name: 'bias', dtype: 'F32', shape: [1], data: Float32Array.of(own.bias) },
        ],
        { model: given.target.id, site: sites[best.site]!, position: settings.position },
      ),
      'application/octet-stream',
    );
    const measures = [
      areaMeasure('AUROC on test texts', scores, testLabels),
      correct.measure('accuracy on test texts'),
      areaMeasure(
        'AUROC of the difference of means',
        at(x, test).map((each) => dotOf(each, difference)),
        testLabels,
      ),
      plain('selectivity', correct.share - controls.task, test.length, 'share', 'up'),
      plain('accuracy on the control task', controls.task, test.length, 'share', 'down'),
      plain('accuracy with permuted labels', controls.permuted, test.length, 'share', 'down'),
      plain('accuracy on an untrained model', controls.untrained, test.length, 'share', 'down'),
      plain('accuracy from the words alone', controls.words, test.length, 'share', 'down'),
      plain(
        'cosine with the difference of means',
        cosineOf(own.weights, difference),
        parts.train.length,
        'score',
        'up',
      ),
    ];
    if (given.transfer !== undefined) {
      const other = given.transfer.rows;
      const [read] = await readAll(
        network,
        [sites[best.site]!],
        other.map(({ text }) => tokenizer.encode(text).slice(0, network.description.context)),
        settings.position,
      );
      measures.push(
        areaMeasure(
          'AUROC on the other kind of texts',
          read!.map((each) => scoreOf(own, each)),
          other.map(({ label }) => label),
        ),
      );
    }
    return {
      measures,
      findings: [],
      products: { probe: product },
      figures: [sweepFigure(sites, sweep)],
      caveats: [
        `site ${sites[best.site]!} and C = ${c} were chosen on ${parts.validation.length} validation texts`,
        'that a line reads it does not mean that the model uses it: take the direction out and look (interpret/refusal-direction)',
        ...(controls.words >= correct.share
          ? ['the words alone tell as much: the probe may read the words and not what the model makes of them']
          : []),
      ],
    };
  },
});

interface Parts {
  readonly train: number[];
  readonly validation: number[];
  readonly test: number[];
}

/** Three fifths to learn on, one to choose by, one to judge; whole clusters, so that no template is in two parts. */
function partsOf(rows: readonly Row[], random: Random): Parts {
  const clusters = random.shuffle([...new Set(rows.map(({ id, cluster }) => cluster ?? id))]);
  const cut = (share: number): number => Math.round(share * clusters.length);
  const part = (from: number, to: number): number[] => {
    const own = new Set(clusters.slice(from, to));
    return rows.flatMap(({ id, cluster }, i) => (own.has(cluster ?? id) ? [i] : []));
  };
  const parts = {
    train: part(0, cut(0.6)),
    validation: part(cut(0.6), cut(0.8)),
    test: part(cut(0.8), clusters.length),
  };
  for (const [name, indices] of Object.entries(parts)) {
    const labels = new Set(indices.map((i) => rows[i]!.label));
    const least = name === 'train' ? 4 : 2;
    if (labels.size === 2 && indices.length >= least) continue;
    throw new FiducialError(
      'probe.few-texts',
      `The ${name} part has ${indices.length} texts with ${labels.size} kinds of label`,
      'Give more texts of both labels, in more clusters.',
    );
  }
  return parts;
}

/** Activations of every text at every site, [site][text]: of the last token, or the mean over all. */
async function readAll(
  network: Network,
  sites: readonly string[],
  texts: readonly (readonly number[])[],
  position: Params['position'],
): Promise<Float64Array[][]> {
  const found: Float64Array[][] = sites.map(() => []);
  for (let at = 0; at < texts.length; at += 64) {
    const results = await network.run(texts.slice(at, at + 64), {
      read: sites,
      withoutLogits: true,
      ...(position === 'last' ? { positions: [-1] } : {}),
    });
    for (const { values } of results) {
      sites.forEach((site, s) => {
        const { shape } = values[site]!;
        const whole = values[site]!.toFloat64();
        const width = whole.length / shape[0]!;
        const mean = new Float64Array(width);
        for (let i = 0; i < whole.length; i++) mean[i % width]! += whole[i]! / shape[0]!;
        found[s]!.push(mean);
      });
    }
  }
  return found;
}

function fit(
  rows: readonly ArrayLike<number>[],
  labels: readonly number[],
  c: number,
): { fitted: LinearProbe; scaling: Scaling } {
  const scaling = scalingOf(rows);
  return {
    fitted: logisticRegression(
      rows.map((each) => scaled(scaling, each)),
      labels,
      { c },
    ),
    scaling,
  };
}

const scoresOf = (fitted: LinearProbe, scaling: Scaling, rows: readonly ArrayLike<number>[]): number[] =>
  rows.map((each) => scoreOf(fitted, scaled(scaling, each)));

/** A fixed random label for the last token's type; for the whole text where all end alike. */
function controlLabels(texts: readonly (readonly number[])[], random: Random): number[] {
  const types = new Set(texts.map((ids) => ids.at(-1)));
  return texts.map((ids) =>
    random.split(types.size < 4 ? ids.join(' ') : String(ids.at(-1))).uniform() < 0.5 ? 1 : 0,
  );
}

/** How often each of the commonest tokens of the training part stands in a text. */
function bagOfTokens(texts: readonly (readonly number[])[], train: readonly number[]): Float64Array[] {
  const counts = new Map<number, number>();
  for (const i of train) for (const id of texts[i]!) counts.set(id, (counts.get(id) ?? 0) + 1);
  const common = [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, 512);
  const places = new Map(common.map(([id], place) => [id, place]));
  return texts.map((ids) => {
    const bag = new Float64Array(common.length);
    for (const id of ids) if (places.has(id)) bag[places.get(id)!]!++;
    return bag;
  });
}

const areaOf = (scores: readonly number[], labels: readonly number[]): number => auroc(scores, labels).value;

function areaMeasure(name: string, scores: readonly number[], labels: readonly number[]): Measure {
  const { value, low, high } = auroc(scores, labels);
  return { name, value, low, high, confidence: 0.95, n: scores.length, unit: 'score', better: 'up' };
}

function accuracyOf(scores: readonly number[], labels: readonly number[]) {
  const right = scores.map((score, i) => (score > 0 === (labels[i] === 1) ? 1 : 0));
  return {
    share: mean(right),
    measure: (name: string): Measure =>
      rate(
        right.map((value, i) => ({ item: String(i), status: 'measured' as const, value })),
        { name, better: 'up' },
      ),
  };
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

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

function sweepFigure(sites: readonly string[], sweep: readonly (readonly number[])[]): Figure {
  return {
    kind: 'plot',
    title: 'AUROC by site',
    caption: 'On the validation texts, at the best strength of each site.',
    x: { label: 'site', scale: 'category' },
    y: { label: 'AUROC', scale: 'linear', range: [0, 1] },
    series: [
      { name: 'probe', mark: 'line', points: sites.map((site, i) => ({ x: site, y: Math.max(...sweep[i]!) })) },
      { name: 'chance', mark: 'line', isReference: true, points: sites.map((site) => ({ x: site, y: 0.5 })) },
    ],
  };
}

function plantedSettings() {
  return { position: 'last' as const, cs: [0.01, 0.1], permutations: 3 };
}

/** Words of noise, half of them moved along a direction of the seed's own; labels that follow it, or that follow nothing. */
function plantedGiven(kind: 'along a direction' | 'by chance', random: Random = randomOf('planted probe')) {
  const [width, count, strength] = [16, 300, 1.5];
  const unit = random.split('direction').fillNormal(new Float64Array(width));
  const length = Math.hypot(...unit);
  const words = new Map<string, Float64Array>();
  const rows = Array.from({ length: count }, (_, i): Row => {
    const own = random.split('word').split(i);
    const [side, other] = [own.uniform() < 0.5 ? 1 : -1, own.uniform() < 0.5 ? 1 : -1];
    const vector = own.fillNormal(new Float64Array(width));
    words.set(
      `word${i}`,
      vector.map((x, j) => x + (side * strength * unit[j]!) / length),
    );
    return { id: `text ${i}`, text: `word${i}`, label: (kind === 'along a direction' ? side : other) > 0 ? 1 : 0 };
  });
  return {
    target: plantedModel({ width, layers: 2, words, answers: new Map() }),
    texts: dataOf('planted texts', rows),
    transfer: undefined,
  };
}
