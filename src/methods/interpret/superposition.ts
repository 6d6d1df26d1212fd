/**
 * Toy models of superposition: when do features share dimensions, and in what shape?
 *
 * Source: Elhage et al. 2022, "Toy Models of Superposition", arXiv 2209.10652: features that are 0 with probability
 * 1 - p and uniform on [0, 1] else, x' = ReLU(W^T W x + b), a loss weighted by importance, Adam at 1e-3, batches of
 * 1,024. Departs from it in two ways: every density is trained from several starts at once and the start with the least
 * loss is kept, because from one start the antipodal pair of two features is often missed; and the rate falls to 0 over
 * the run, so that a loss can be compared with its closed form. Needs no model: it is the test bed of other methods.
 */
import { z } from 'zod';
import type { Figure } from '../../core/figures.ts';
import type { Finding, Measure } from '../../core/measures.ts';
import type { Random } from '../../core/random.ts';
import { studentCritical } from '../../core/statistics/index.ts';
import {
  adam,
  add,
  compile,
  fromData,
  mapTree,
  matmul,
  mean,
  mul,
  relu,
  square,
  sub,
  sum,
  type Tensor,
  type Tree,
  treeLeaves,
  valueAndGradWithAux,
} from '../../engine/index.ts';
import { readSafetensorsBytes, safetensorsBytes } from '../../network/checkpoint/index.ts';
import { defineMethod } from '../method.ts';

const params = z.strictObject({
  features: z.int().min(2).max(1000).default(5).describe('Features that the data has'),
  dimensions: z.int().min(1).max(500).default(2).describe('Dimensions that the model has for them'),
  densities: z
    .array(z.number().gt(0).max(1))
    .min(1)
    .default([1, 0.3, 0.1, 0.03])
    .describe('How often a feature is there, each a model of its own'),
  importance: z.number().gt(0).max(1).default(1).describe('Each feature matters this much of the one before'),
  restarts: z.int().min(1).max(100).default(10).describe('Starts for each density; the one with the least loss counts'),
  steps: z.int().min(1).default(10_000).describe('Training steps'),
  batch: z.int().min(1).default(1024).describe('Samples a step'),
  rate: z.number().positive().default(1e-3).describe("Adam's rate at the start"),
});
type Params = z.infer<typeof params>;

interface Toys {
  /** W [densities, restarts, dimensions, features], b [densities, restarts, 1, features] */
  parameters: Tree;
  optimiser: Tree;
}

export const superposition = defineMethod({
  id: 'interpret/superposition',
  title: 'Toy models of superposition',
  question: 'How many features does a small model keep in fewer dimensions, and in what geometry, as they get rarer?',
  sources: [
    {
      title: 'Toy Models of Superposition',
      authors: 'Elhage et al.',
      year: 2022,
      url: 'https://arxiv.org/abs/2209.10652',
    },
  ],
  needs: {},
  params,
  demo: {
    params: {
      features: 5,
      dimensions: 2,
      densities: [1, 0.05],
      importance: 1,
      restarts: 6,
      steps: 600,
      batch: 256,
      rate: 0.02,
    },
    given: () => ({}),
  },
  calibration: {
    kind: 'finder',
    // Two features in one dimension with equal importance: theory puts the change at density 4/7.
    cases: (random) =>
      (['present', 'absent'] as const).flatMap((truth) =>
        Array.from({ length: 20 }, (_, i) => {
          const at = random.split(truth).split(i).uniform();
          const density = truth === 'present' ? 0.1 + 0.3 * at : 0.75 + 0.25 * at;
          return {
            name: `two ${truth === 'present' ? 'rare' : 'frequent'} features in one dimension, ${i + 1}`,
            truth,
            params: { features: 2, dimensions: 1, densities: [density], restarts: 10, steps: 150, rate: 0.05 },
            given: () => ({}),
          };
        }),
      ),
    reads: ({ findings }) => (findings.some(({ id }) => id.startsWith('superposition/')) ? 'present' : 'absent'),
  },

  async run({ loop, keep, random }, settings) {
    const { densities, restarts, features, dimensions, steps } = settings;
    const importance = Float32Array.from({ length: features }, (_, i) => settings.importance ** i);
    const optimiser = adam();
    const step = compile(
      (p: Tree, state: Tree, x: Tensor, rate: number) => {
        const { aux, gradient } = valueAndGradWithAux((q: Tree) => {
          const each = lossesOf(q as Record<'W' | 'b', Tensor>, x, importance); // [densities, restarts]
          return { loss: sum(each), aux: each };
        })(p);
        const next = optimiser.update(p, gradient, state, rate);
        return { parameters: next.parameters, optimiser: next.state, losses: aux };
      },
      { donate: [0, 1], label: 'toy models' },
    );
    const initial = (): Toys => {
      const parameters = initialToys(settings, random.split('start'));
      return { parameters, optimiser: optimiser.init(parameters) };
    };
    const toys = await loop(
      'training',
      {
        steps,
        every: 1000,
        initial,
        save: saveToys,
        load: (bytes) => loadToys(bytes, initial()),
      },
      async (state, index, scope) => {
        const x = sparseBatch(densities, settings.batch, features, scope.random);
        const { losses: _, ...next } = await step(
          state.parameters,
          state.optimiser,
          x,
          settings.rate * (1 - index / steps),
        );
        Object.assign(state, next);
      },
    );

    const test = sparseBatch(densities, TEST_ROWS, features, random.split('held out'));
    const score = compile((p: Tree, x: Tensor) => lossesOf(p as Record<'W' | 'b', Tensor>, x, importance));
    const losses = (await score(toys.parameters, test)).toFloat64();
    const { W } = toys.parameters as Record<'W' | 'b', Tensor>;
    const models = densities.map((density, at) => {
      const own = [...losses.subarray(at * restarts, (at + 1) * restarts)];
      const best = own.indexOf(Math.min(...own));
      const size = dimensions * features;
      const weights = W.toFloat64().subarray((at * restarts + best) * size, (at * restarts + best + 1) * size);
      return { density, loss: own[best]!, worst: Math.max(...own), ...geometryOf(weights, dimensions, features) };
    });
    const products = { 'toy models': await keep('toy-models', await saveToys(toys), 'application/octet-stream') };
    return {
      measures: models.flatMap((model) => measuresOf(model)),
      findings: models.flatMap((model) => findingsOf(model, dimensions)),
      products,
      figures: figuresOf(models, settings),
      caveats: [
        `each density keeps the best of ${restarts} starts; the losses of the others are in the table`,
        'represented means a squared length above one half',
      ],
    };
  },
});

/** Rows on which the final losses are taken. */
const TEST_ROWS = 20_000;

/** Losses of every model, the mean over samples of the importance-weighted squared errors. Traced. [densities, restarts] */
function lossesOf({ W, b }: Readonly<Record<'W' | 'b', Tensor>>, x: Tensor, importance: Float32Array): Tensor {
  const hidden = matmul(x, W, { transposeB: true }); // [densities, restarts, batch, dimensions]
  const guess = relu(add(matmul(hidden, W), b)); // [densities, restarts, batch, features]
  const weights = fromData(importance, [importance.length], 'float32');
  return mean(sum(mul(square(sub(x, guess)), weights), { axes: 3 }), { axes: 2 });
}

/** Samples [densities, 1, batch, features]: a feature is there with its density, and then uniform. */
export function sparseBatch(densities: readonly number[], batch: number, features: number, random: Random): Tensor {
  const size = batch * features;
  const data = new Float32Array(densities.length * size);
  densities.forEach((density, at) => {
    const own = random.split(at);
    const values = own.split('values').fillUniform(new Float32Array(size));
    const isThere = own.split('there').fillUniform(new Float32Array(size));
    for (let i = 0; i < size; i++) if (isThere[i]! < density) data[at * size + i] = values[i]!;
  });
  return fromData(data, [densities.length, 1, batch, features], 'float32');
}

function initialToys({ densities, restarts, dimensions, features }: Params, random: Random): Record<'W' | 'b', Tensor> {
  const [count, size] = [densities.length * restarts, dimensions * features];
  const W = random.fillNormal(new Float32Array(count * size), 0, 1 / Math.sqrt(dimensions));
  return {
    W: fromData(W, [densities.length, restarts, dimensions, features], 'float32'),
    b: fromData(new Float32Array(count * features), [densities.length, restarts, 1, features], 'float32'),
  };
}

export interface Geometry {
  /** Length of each feature's column of W. */
  readonly lengths: readonly number[];
  /** Sum over the other features of the squared product of the column's direction with theirs. */
  readonly interference: readonly number[];
  /** |W_i|^2 over the sum over all j of (direction of i . W_j)^2: the share of a dimension that a feature has. */
  readonly dimensionality: readonly number[];
  /** Features whose squared length is above one half. */
  readonly represented: readonly number[];
}

/** @param W row-major [dimensions, features] */
export function geometryOf(W: ArrayLike<number>, dimensions: number, features: number): Geometry {
  const column = (i: number): number[] => Array.from({ length: dimensions }, (_, d) => W[d * features + i]!);
  const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((total, x, d) => total + x * b[d]!, 0);
  const columns = Array.from({ length: features }, (_, i) => column(i));
  const lengths = columns.map((one) => Math.hypot(...one));
  const squares = columns.map((one, i) =>
    columns.map((other) => (lengths[i] === 0 ? 0 : (dot(one, other) / lengths[i]!) ** 2)),
  );
  const interference = squares.map((row, i) => row.reduce((total, x, j) => total + (i === j ? 0 : x), 0));
  return {
    lengths,
    interference,
    dimensionality: lengths.map((length, i) => (length === 0 ? 0 : length ** 2 / (length ** 2 + interference[i]!))),
    represented: lengths.flatMap((length, i) => (length ** 2 > 0.5 ? [i] : [])),
  };
}

interface Model extends Geometry {
  readonly density: number;
  readonly loss: number;
  /** The loss of the worst start. */
  readonly worst: number;
}

function measuresOf({ density, lengths, dimensionality, represented, loss }: Model): Measure[] {
  const shares = represented.map((i) => dimensionality[i]!);
  const measures: Measure[] = [
    exact(`features represented, density ${density}`, represented.length, lengths.length, 'features', 'up'),
  ];
  measures.push(exact(`loss, density ${density}`, loss, TEST_ROWS, 'score', 'down'));
  if (shares.length > 0) {
    const n = shares.length;
    const value = shares.reduce((a, b) => a + b, 0) / n;
    const variance = shares.reduce((total, x) => total + (x - value) ** 2, 0) / Math.max(1, n - 1);
    const margin = n < 2 ? 0 : studentCritical(0.95, n - 1) * Math.sqrt(variance / n);
    measures.push({
      ...exact(`dimensions a feature has, density ${density}`, value, n, 'dimensions', 'up'),
      low: value - margin,
      high: value + margin,
    });
  }
  return measures;
}

/** A property of the trained model itself, which no sample makes uncertain. */
const exact = (name: string, value: number, n: number, unit: string, better: 'up' | 'down'): Measure => ({
  name,
  value,
  low: value,
  high: value,
  confidence: 0.95,
  n,
  unit,
  better,
});

function findingsOf({ density, represented, dimensionality }: Model, dimensions: number): Finding[] {
  if (represented.length <= dimensions) return [];
  return [
    {
      id: `superposition/${density}`,
      title: `${represented.length} features in ${dimensions} dimensions at density ${density}`,
      severity: 'note',
      detail: `Shares of a dimension: ${represented.map((i) => dimensionality[i]!.toFixed(2)).join(', ')}.`,
      evidence: [],
      data: { density, represented: [...represented] },
    },
  ];
}

function figuresOf(models: readonly Model[], { dimensions, features }: Params): Figure[] {
  return [
    {
      kind: 'plot',
      title: 'Features kept as they get rarer',
      caption: `How many of ${features} features a model with ${dimensions} dimensions represents, by their density.`,
      x: { label: 'density of a feature', scale: 'log' },
      y: { label: 'features represented', scale: 'linear', range: [0, features] },
      series: [
        {
          name: 'represented',
          mark: 'line',
          points: models.map(({ density, represented }) => ({ x: density, y: represented.length })),
        },
        {
          name: 'dimensions',
          mark: 'line',
          isReference: true,
          points: models.map(({ density }) => ({ x: density, y: dimensions })),
        },
      ],
    },
    {
      kind: 'matrix',
      title: 'Share of a dimension of each feature',
      caption: 'One row a density: 1 is a dimension of its own, one half an antipodal pair, two fifths a pentagon.',
      rows: models.map(({ density }) => `density ${density}`),
      columns: Array.from({ length: features }, (_, i) => `feature ${i + 1}`),
      values: models.map(({ dimensionality, represented }) =>
        dimensionality.map((share, i) => (represented.includes(i) ? share : null)),
      ),
      unit: 'dimensions',
      colours: 'sequential',
    },
    {
      kind: 'table',
      title: 'Losses',
      caption: 'The best and the worst start of each density.',
      columns: [{ label: 'density' }, { label: 'best loss' }, { label: 'worst loss' }, { label: 'represented' }],
      rows: models.map(({ density, loss, worst, represented }) => [density, loss, worst, represented.length]),
    },
  ];
}

async function saveToys({ parameters, optimiser }: Toys): Promise<Uint8Array> {
  return await safetensorsBytes(
    [parameters, optimiser].flatMap((tree, t) =>
      treeLeaves(tree).map(({ shape, data }, i) => ({ name: `${t}.${i}`, dtype: 'F32' as const, shape, data })),
    ),
  );
}

/** @param like what gives the trees their form */
function loadToys(bytes: Uint8Array, like: Toys): Toys {
  const { tensors } = readSafetensorsBytes(bytes);
  const filled = (tree: Tree, t: number): Tree => {
    let i = 0;
    return mapTree(tree, () => {
      const { data, shape } = tensors.get(`${t}.${i++}`)!;
      return fromData(data, shape, 'float32');
    });
  };
  return { parameters: filled(like.parameters, 0), optimiser: filled(like.optimiser, 1) };
}
