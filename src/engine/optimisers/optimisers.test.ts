import { describe, expect, it } from 'vitest';
import {
  add,
  compile,
  linear,
  mapTree,
  mean,
  namedLeaves,
  square,
  sub,
  tensor,
  type Tensor,
  type Tree,
  valueAndGrad,
} from '../index.ts';
import { adam, adamw } from './adam.ts';
import { addTrees, clipByGlobalNorm, grouped, type Optimiser } from './optimiser.ts';
import { warmupSchedule } from './schedules.ts';
import { adafactor, lion, sgd } from './simple.ts';

const start = (): { w: Tensor; b: Tensor } => ({
  w: tensor([
    [0.5, -1, 2],
    [0.1, 0, -0.3],
  ]),
  b: tensor([0.2, -0.4]),
});
const inputs = tensor([
  [1, 0.5, -0.5],
  [0.3, -1.2, 0.8],
  [2, 0.1, 0.4],
  [-1, 1, 1],
]);
const targets = tensor([
  [1, 0],
  [0, 1],
  [0.5, -0.5],
  [2, 0.3],
]);
const rates = [0.1, 0.05, 0.02, 0.02, 0.01];

type Weights = { w: Tensor; b: Tensor };
const loss = ({ w, b }: Weights): Tensor =>
  mean(square(sub(add(linear(inputs, w, undefined, { transposeWeight: true }), b), targets)));

async function run(
  optimiser: Optimiser,
  steps = rates.length,
): Promise<{ w: number[]; b: number[]; losses: number[] }> {
  const step = compile(
    (p: Weights, s: Tree, rate: number) => {
      const { value, gradient } = valueAndGrad(loss)(p);
      return { loss: value, ...(optimiser.update(p, gradient, s, rate) as { parameters: Weights; state: Tree }) };
    },
    { donate: [0, 1] },
  );
  let parameters = start();
  let state = optimiser.init(parameters);
  const losses: number[] = [];
  for (let i = 0; i < steps; i++) {
    const result = await step(parameters, state, rates[i]!);
    ({ parameters, state } = result);
    losses.push(result.loss.item());
  }
  return { w: [...parameters.w.toFloat64()], b: [...parameters.b.toFloat64()], losses };
}

const near = (found: readonly number[], expected: readonly number[]): void => {
  expect(found.length).toBe(expected.length);
  found.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 5));
};

/*
 * Expected values: PyTorch 1.13, the same problem with torch.optim.SGD(lr), SGD(momentum=.9, weight_decay=.01),
 * SGD(momentum=.9, nesterov=True), Adam(lr), AdamW(weight_decay=.1, betas=(.8, .95), eps=1e-6), the learning rate of
 * each of five steps as in `rates`; loss = ((x @ w.t() + b - y) ** 2).mean().
 */
describe('optimisers take the steps that PyTorch takes', () => {
  it.each([
    [
      'sgd',
      sgd(),
      [
        0.3579840660095215, -0.7224373817443848, 1.8720121383666992, 0.058303505182266235, -0.03803544491529465,
        -0.19574767351150513,
      ],
      [0.13964831829071045, -0.27585604786872864],
    ],
    [
      'sgd with momentum and decay',
      sgd({ momentum: 0.9, weightDecay: 0.01 }),
      [
        0.2510276436805725, -0.5040385723114014, 1.7657614946365356, 0.024717776104807854, -0.06796730309724808,
        -0.11484463512897491,
      ],
      [0.09576571732759476, -0.17959602177143097],
    ],
    [
      'sgd with Nesterov momentum',
      sgd({ momentum: 0.9, nesterov: true }),
      [
        0.18079504370689392, -0.31339767575263977, 1.6814559698104858, -0.00933718029409647, -0.09743513911962509,
        -0.04836683347821236,
      ],
      [0.07335476577281952, -0.10151597857475281],
    ],
    [
      'adam',
      adam(),
      [
        0.3034120500087738, -0.8003169298171997, 1.8010081052780151, -0.09038696438074112, -0.19725386798381805,
        -0.10198815912008286,
      ],
      [0.015889782458543777, -0.20084817707538605],
    ],
    [
      'adamw',
      adamw({ weightDecay: 0.1, beta1: 0.8, beta2: 0.95, epsilon: 1e-6 }),
      [
        0.29600030183792114, -0.7819901704788208, 1.763239860534668, -0.08946242183446884, -0.19518868625164032,
        -0.09811998158693314,
      ],
      [0.018851395696401596, -0.1946762502193451],
    ],
  ] as const)('%s', async (_, optimiser, w, b) => {
    const result = await run(optimiser);
    near(result.w, w);
    near(result.b, b);
  });
});

describe('optimisers that PyTorch 1.13 has not, against their published steps', () => {
  /** The gradient by hand, in float64. */
  const gradientAt = (w: readonly number[], b: readonly number[]): { w: number[]; b: number[] } => {
    const [x, y] = [inputs.toFloat64(), targets.toFloat64()];
    const g = { w: w.map(() => 0), b: b.map(() => 0) };
    for (let row = 0; row < 4; row++) {
      for (let o = 0; o < 2; o++) {
        let error = b[o]! - y[row * 2 + o]!;
        for (let i = 0; i < 3; i++) error += x[row * 3 + i]! * w[o * 3 + i]!;
        g.b[o]! += (2 * error) / 8;
        for (let i = 0; i < 3; i++) g.w[o * 3 + i]! += ((2 * error) / 8) * x[row * 3 + i]!;
      }
    }
    return g;
  };

  it('lion', async () => {
    const [beta1, beta2, decay] = [0.9, 0.99, 0.05];
    const result = await run(lion({ beta1, beta2, weightDecay: decay }));
    let [w, b] = [
      [0.5, -1, 2, 0.1, 0, -0.3],
      [0.2, -0.4],
    ];
    let m = { w: w.map(() => 0), b: b.map(() => 0) };
    for (const rate of rates) {
      const g = gradientAt(w, b);
      const move = (value: number[], momentum: number[], slope: number[]): number[] =>
        value.map((v, i) => v - rate * (Math.sign(beta1 * momentum[i]! + (1 - beta1) * slope[i]!) + decay * v));
      [w, b] = [move(w, m.w, g.w), move(b, m.b, g.b)];
      const mix = (momentum: number[], slope: number[]): number[] =>
        momentum.map((v, i) => beta2 * v + (1 - beta2) * slope[i]!);
      m = { w: mix(m.w, g.w), b: mix(m.b, g.b) };
    }
    near(result.w, w);
    near(result.b, b);
  });

  it('adafactor', async () => {
    const result = await run(adafactor());
    let [w, b] = [
      [0.5, -1, 2, 0.1, 0, -0.3],
      [0.2, -0.4],
    ];
    let [rows, columns, moments] = [
      [0, 0],
      [0, 0, 0],
      [0, 0],
    ];
    rates.forEach((rate, step) => {
      const keep = 1 - (step + 1) ** -0.8;
      const g = gradientAt(w, b);
      rows = rows.map(
        (r, i) => keep * r + ((1 - keep) * (g.w[3 * i]! ** 2 + g.w[3 * i + 1]! ** 2 + g.w[3 * i + 2]! ** 2)) / 3,
      );
      columns = columns.map((c, j) => keep * c + ((1 - keep) * (g.w[j]! ** 2 + g.w[3 + j]! ** 2)) / 2);
      moments = moments.map((v, i) => keep * v + (1 - keep) * g.b[i]! ** 2);
      const average = (rows[0]! + rows[1]!) / 2;
      const clipped = (u: number[]): number[] => {
        const rms = Math.sqrt(u.reduce((total, value) => total + value ** 2, 0) / u.length);
        return u.map((value) => value / Math.max(1, rms));
      };
      const uw = clipped(
        g.w.map((value, i) => value / Math.sqrt((rows[Math.floor(i / 3)]! * columns[i % 3]!) / average)),
      );
      const ub = clipped(g.b.map((value, i) => value / Math.sqrt(moments[i]!)));
      w = w.map((value, i) => value - rate * uw[i]!);
      b = b.map((value, i) => value - rate * ub[i]!);
    });
    near(result.w, w);
    near(result.b, b);
  });
});

it('groups go to their own optimiser, a scale of 0 freezes, and nothing is left out', async () => {
  const optimiser = grouped([
    { matches: (name) => name === 'w', optimiser: sgd(), scale: 0.5 },
    { matches: () => true, optimiser: sgd(), scale: 0 },
  ]);
  const result = await run(optimiser, 1);
  const whole = await run(sgd(), 1);
  const before = start();
  near(
    result.w,
    [...before.w.toFloat64()].map((value, i) => value + (whole.w[i]! - value) / 2),
  );
  near(result.b, [...before.b.toFloat64()]);
  expect(() => grouped([{ matches: (name) => name === 'w', optimiser: sgd() }]).init(before)).toThrow(
    /No parameter group takes b/,
  );
});

it('clips to a global norm and leaves smaller gradients alone', async () => {
  const gradient = { a: tensor([3, 0]), b: tensor([[0, 4]]) };
  const clipped = compile((g: Tree) => clipByGlobalNorm(g, 1));
  const { gradient: small, norm } = await clipped(gradient);
  expect(norm.item()).toBeCloseTo(5, 5);
  near([...(small as typeof gradient).a.toFloat64()], [0.6, 0]);
  near([...(small as typeof gradient).b.toFloat64()], [0, 0.8]);
  const same = await compile((g: Tree) => clipByGlobalNorm(g, 6))(gradient);
  near([...(same.gradient as typeof gradient).a.toFloat64()], [3, 0]);
});

it('accumulated gradients of two half batches are the gradient of the whole', async () => {
  const part = (rows: readonly [number, number]) => (p: Weights) => {
    const cut = (x: Tensor): Tensor =>
      tensor(x.toFloat64().slice(rows[0] * x.shape[1]!, rows[1] * x.shape[1]!), {
        shape: [rows[1] - rows[0], x.shape[1]!],
      });
    const [x, y] = [cut(inputs), cut(targets)];
    return valueAndGrad(({ w, b }: Weights) =>
      mean(square(sub(add(linear(x, w, undefined, { transposeWeight: true }), b), y))),
    )(p).gradient;
  };
  const sumUp = compile((a: Tree, b: Tree) => addTrees(a, b), { donate: [0] });
  const first = await compile(part([0, 2]))(start());
  const second = await compile(part([2, 4]))(start());
  const total = (await sumUp(first, second)) as Weights;
  const whole = await compile((p: Weights) => valueAndGrad(loss)(p).gradient)(start());
  near(
    [...total.w.toFloat64()].map((x) => x / 2),
    [...whole.w.toFloat64()],
  );
});

it('state saved after three steps and restored goes on to the same numbers, bit for bit', async () => {
  const optimiser = adamw({ weightDecay: 0.1 });
  const step = compile((p: Weights, s: Tree, rate: number) => {
    const { gradient } = valueAndGrad(loss)(p);
    return optimiser.update(p, gradient, s, rate) as { parameters: Weights; state: Tree };
  });
  const go = async (p: Weights, s: Tree, from: number, to: number): Promise<{ parameters: Weights; state: Tree }> => {
    let at = { parameters: p, state: s };
    for (let i = from; i < to; i++) at = await step(at.parameters, at.state, rates[i]!);
    return at;
  };
  const straight = await go(start(), optimiser.init(start()), 0, 5);
  const half = await go(start(), optimiser.init(start()), 0, 3);
  const bytes = namedLeaves(half as unknown as Tree).map(
    ({ name, tensor: leaf }) => [name, (leaf.data as Float32Array).slice().buffer] as const,
  );
  const saved = new Map(bytes);
  const restored = mapTree(half, (leaf, name) =>
    tensor(new Float32Array(saved.get(name)!), { shape: leaf.shape }),
  ) as unknown as typeof half;
  const resumed = await go(restored.parameters, restored.state, 3, 5);
  expect([...resumed.parameters.w.toFloat64()]).toEqual([...straight.parameters.w.toFloat64()]);
  expect(namedLeaves(resumed.state).map(({ tensor: leaf }) => [...leaf.toFloat64()])).toEqual(
    namedLeaves(straight.state).map(({ tensor: leaf }) => [...leaf.toFloat64()]),
  );
});

it('schedules warm up, fall and stay', () => {
  const cosine = warmupSchedule({ peak: 1, steps: 110, warmupSteps: 10, final: 0.1 });
  expect([0, 9, 10, 60, 110, 500].map((step) => Number(cosine(step).toFixed(6)))).toEqual([0.1, 1, 1, 0.55, 0.1, 0.1]);
  const line = warmupSchedule({ peak: 2, steps: 10, shape: 'linear' });
  expect([0, 5, 10].map(line)).toEqual([2, 1, 0]);
  expect(() => warmupSchedule({ peak: 1, steps: 5, warmupSteps: 6 })).toThrow(/6 warm-up steps of 5/);
});
