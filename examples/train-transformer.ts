/**
 * Trains a small transformer in this process and prints its loss and speed: the engine end to end, in half a minute.
 *
 *   npm run demo                 0.2 M parameters, 300 steps
 *   npm run demo -- --width 256 --layers 4 --steps 100
 *
 * The text is made here: a clock that counts minutes in words, so that the loss has a floor one can compute. Hours are
 * drawn at random and cost ln 12 nats each; everything else follows from what came before.
 */
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { random } from '../src/core/random.ts';
import {
  adamw,
  clipByGlobalNorm,
  compile,
  matmul,
  namedLeaves,
  tensor,
  type Tensor,
  type Tree,
  valueAndGrad,
  warmupSchedule,
} from '../src/engine/index.ts';
import { initialise, nextTokenLoss, type Parameters, stepFlops, type TransformerShape } from './transformer.ts';

const HOURS = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten', 'eleven', 'twelve'];
const QUARTERS = ['sharp', 'a quarter past', 'half past', 'a quarter to'];

/** Characters a batch is made of; ids are their codes, all below 128. */
function sentence(hour: number): string {
  const next = HOURS[(hour + 1) % 12];
  return QUARTERS.map((quarter, i) => `${quarter} ${i === 3 ? next : HOURS[hour]}`).join(', ') + '. ';
}

/** Nats a character at best: one free choice of twelve a sentence. */
export function lossFloor(): number {
  const characters = HOURS.reduce((total, _, hour) => total + sentence(hour).length, 0) / 12;
  return Math.log(12) / characters;
}

export interface DemoResult {
  readonly losses: readonly number[];
  readonly floor: number;
  readonly tokensPerSecond: number;
  readonly gigaflops: number;
}

export async function train(
  options: {
    readonly width?: number;
    readonly layers?: number;
    readonly steps?: number;
    readonly batch?: number;
    readonly time?: number;
  },
  print: (line: string) => void,
): Promise<DemoResult> {
  const { width = 64, layers = 2, steps = 300, batch = 16, time = 96 } = options;
  const shape: TransformerShape = { vocabulary: 128, context: time, width, layers, heads: Math.max(1, width / 32) };
  const optimiser = adamw({ weightDecay: 0.1 });
  let parameters: Tree = initialise(shape, 1);
  let state = optimiser.init(parameters);
  const count = namedLeaves(parameters).reduce((total, { tensor: leaf }) => total + leaf.size, 0);
  print(
    `A transformer with ${(count / 1e6).toFixed(2)} M parameters: ${layers} layers, width ${width}, batch ${batch} x ${time} characters`,
  );

  const step = compile(
    (p: Tree, s: Tree, tokens: Tensor, targets: Tensor, rate: number) => {
      const { value, gradient } = valueAndGrad((q: Tree) => nextTokenLoss(q as Parameters, shape, tokens, targets))(p);
      // A number among the arguments of a compiled function is a scalar of the graph.
      return { loss: value, ...optimiser.update(p, clipByGlobalNorm(gradient, 1).gradient, s, rate) };
    },
    { donate: [0, 1], label: 'training step' },
  );
  const schedule = warmupSchedule({ peak: 3e-3, final: 3e-4, steps, warmupSteps: Math.min(20, steps) });
  const hours = random('demo');
  const losses: number[] = [];
  let timedMs = 0;
  for (let i = 0; i < steps; i++) {
    const { tokens, targets } = makeBatch(hours.split(i), batch, time);
    const begin = performance.now();
    const result = await step(parameters, state, tokens, targets, schedule(i));
    if (i > 0) timedMs += performance.now() - begin;
    ({ parameters, state } = result);
    losses.push(result.loss.item());
    if (i % Math.ceil(steps / 10) === 0 || i === steps - 1) {
      print(`step ${String(i).padStart(4)}   loss ${losses[i]!.toFixed(3)} nats a character`);
    }
  }
  const perStepMs = timedMs / Math.max(1, steps - 1);
  const result = {
    losses,
    floor: lossFloor(),
    tokensPerSecond: (batch * time) / (perStepMs / 1000),
    gigaflops: stepFlops(shape, batch, time) / perStepMs / 1e6,
  };
  print(`the text's own floor is ${result.floor.toFixed(3)}`);
  print(
    `${perStepMs.toFixed(1)} ms a step: ${Math.round(result.tokensPerSecond)} characters a second, ${result.gigaflops.toFixed(1)} GFLOP/s`,
  );
  const peak = await peakGigaflops();
  print(
    `a bare product of 1,024 x 1,024 matrices runs at ${peak.toFixed(1)} GFLOP/s here: the step is at ${((100 * result.gigaflops) / peak).toFixed(0)} % of that`,
  );
  return result;
}

function makeBatch(hours: ReturnType<typeof random>, batch: number, time: number): { tokens: Tensor; targets: Tensor } {
  const tokens = new Int32Array(batch * time);
  const targets = new Int32Array(batch * time);
  for (let row = 0; row < batch; row++) {
    const stream = hours.split(row);
    let text = '';
    while (text.length <= time) text += sentence(stream.integer(12));
    for (let t = 0; t < time; t++) {
      tokens[row * time + t] = text.charCodeAt(t);
      targets[row * time + t] = text.charCodeAt(t + 1);
    }
  }
  return { tokens: tensor(tokens, { shape: [batch, time] }), targets: tensor(targets, { shape: [batch, time] }) };
}

async function peakGigaflops(): Promise<number> {
  const size = 1024;
  const a = tensor(new Float32Array(size * size).fill(0.5), { shape: [size, size] });
  const product = compile((x: Tensor, y: Tensor) => matmul(x, y));
  let bestMs = Infinity;
  for (let i = 0; i < 8; i++) {
    const begin = performance.now();
    await product(a, a);
    bestMs = Math.min(bestMs, performance.now() - begin);
  }
  return (2 * size ** 3) / bestMs / 1e6;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = parseArgs({
    options: {
      width: { type: 'string' },
      layers: { type: 'string' },
      steps: { type: 'string' },
      batch: { type: 'string' },
      time: { type: 'string' },
    },
  });
  await train(Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Number(value)])), console.log);
}
