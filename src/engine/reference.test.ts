/**
 * Values and gradients from PyTorch and SciPy (fixtures/make_reference.py): the interpreter to float64's precision,
 * the compiled engine to float32's.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as f from './index.ts';
import { compile, fromData, grad, interpret, type Tensor, Value } from './index.ts';
import { difference } from './fixtures/arrays.ts';

type Numbers = readonly (number | string)[];
interface ArrayText {
  readonly shape: number[];
  readonly dtype: 'float32' | 'int64';
  readonly values: Numbers;
}
interface Entry {
  readonly name: string;
  readonly inputs: readonly ArrayText[];
  readonly results: readonly ArrayText[];
  readonly weights: readonly ArrayText[];
  readonly gradients: readonly ArrayText[];
}
const reference = JSON.parse(readFileSync(new URL('fixtures/reference.json', import.meta.url), 'utf8')) as {
  entries: Entry[];
  grid: Numbers;
  scipy: Record<string, Numbers>;
};

const valueOf = ({ shape, dtype, values }: ArrayText): Value => new Value(shape, dtype, values.map(Number));
const tensorOf = ({ shape, dtype, values }: ArrayText): Tensor =>
  dtype === 'int64'
    ? fromData(BigInt64Array.from(values, BigInt), shape, dtype)
    : fromData(Float32Array.from(values, Number), shape, dtype);

type Apply = (...x: Tensor[]) => Tensor | Tensor[];
const both = ({ values, indices }: { values: Tensor; indices: Tensor }): Tensor[] => [values, indices];
const attend =
  (options: f.AttentionOptions): Apply =>
  (q, k, v) =>
    f.attention(q, k, v, options).output;
const engine: Record<string, Apply> = {
  gelu: (x) => f.gelu(x),
  'gelu tanh': (x) => f.gelu(x, 'tanh'),
  softplus: (x) => f.softplus(x),
  silu: (x) => f.silu(x),
  sigmoid: (x) => f.sigmoid(x),
  erf: (x) => f.erf(x),
  relu: (x) => f.relu(x),
  abs: (x) => f.abs(x),
  clip: (x) => f.clip(x, -1, 3),
  rsqrt: (x) => f.rsqrt(x),
  layerNorm: (x, s, b) => f.layerNorm(x, s, b),
  rmsNorm: (x, s) => f.rmsNorm(x, s),
  softmax: (x) => f.softmax(x, 1),
  logSoftmax: (x) => f.logSoftmax(x),
  logSumExp: (x) => f.logSumExp(x, { axes: [0, 2] }),
  crossEntropy: (x, t) => f.crossEntropy(x, t).loss,
  variance: (x) => [f.variance(x, { axes: 1 }), f.variance(x, { correction: 1 })],
  norm: (x) => f.norm(x, { axes: 1 }),
  'max of equals': (x) => f.max(x, { axes: 1 }),
  'min of equals': (x) => f.min(x, { axes: 0 }),
  'maximum of equals': (a, b) => f.maximum(a, b),
  'minimum of equals': (a, b) => f.minimum(a, b),
  'prod with zeros': (x) => f.prod(x, { axes: 1 }),
  cumulativeSum: (x) => f.cumulativeSum(x, 1),
  'cumulativeSum exclusive': (x) => f.cumulativeSum(x, 1, { exclusive: true }),
  'cumulativeSum reverse': (x) => f.cumulativeSum(x, 1, { reverse: true }),
  'cumulativeSum exclusive reverse': (x) => f.cumulativeSum(x, 1, { exclusive: true, reverse: true }),
  topK: (x) => both(f.topK(x, 3, 1)),
  'topK smallest': (x) => both(f.topK(x, 2, 0, { largest: false })),
  sort: (x) => both(f.sort(x, 1)),
  scatterAddRows: (d, i, u) => f.scatterAddRows(d, i, u),
  scatterAddAlongAxis: (d, i, u) => f.scatterAddAlongAxis(d, i, u, 1),
  takeAlongAxis: (d, i) => f.takeAlongAxis(d, i, 1),
  embedding: (t, i) => f.embedding(t, i),
  'pow of two tensors': (a, b) => f.pow(a, b),
  'pow at base zero': (a, b) => f.pow(a, b),
  attention: attend({}),
  'attention causal': attend({ causal: true }),
  'attention causal, more keys': attend({ causal: true }),
  'attention window': attend({ causal: true, window: 2 }),
  'attention soft cap': attend({ causal: true, softCap: 0.7 }),
  'attention grouped': attend({ causal: true }),
  rotary: (x, c, s) => f.rotary(x, c, s),
  'rotary interleaved': (x, c, s) => f.rotary(x, c, s, { interleaved: true }),
};

function functionOf(name: string): Apply {
  const [word, rest = ''] = name.split(' ', 2) as [string, string?];
  const found = engine[name];
  if (found !== undefined) return found;
  if (word === 'einsum') return (...x) => f.einsum(rest, ...x);
  if (word === 'pow') return (x) => f.pow(x, Number(rest));
  throw new Error(`no function for ${name}`);
}

/** As close as float64 arithmetic in another order gives. */
function close(actual: Value, expected: ArrayText): string | undefined {
  const wanted = expected.values.map(Number);
  const size = Math.min(1, Math.max(0, ...wanted.filter(Number.isFinite).map(Math.abs)));
  const at = wanted.findIndex((b, i) => {
    const a = actual.values[i]!;
    // The engine's masks are finite and its constants may be float32, hence not 1e-15.
    return !Object.is(a, b) && a !== b && !(Math.abs(a - b) <= 1e-7 * (Math.abs(b) + size));
  });
  return at < 0 ? undefined : `element ${at} is ${actual.values[at]} instead of ${wanted[at]}`;
}

describe('PyTorch', () => {
  it.each(reference.entries)('$name', async ({ name, inputs, results, weights, gradients }) => {
    const apply = functionOf(name);
    const variable = inputs.flatMap(({ dtype }, i) => (dtype === 'float32' ? [i] : []));
    const w = weights.map(tensorOf);
    const fn = (x: readonly Tensor[]): { y: Tensor[]; g: readonly Tensor[] } => {
      const loss = (parts: readonly Tensor[]): Tensor => {
        const all = [...x];
        variable.forEach((position, i) => (all[position] = parts[i]!));
        const y = [apply(...all)].flat().filter(({ dtype }) => dtype === 'float32');
        return y.map((part, i) => f.sum(f.mul(part, w[i]!))).reduce(f.add);
      };
      return { y: [apply(...x)].flat(), g: grad(loss)(variable.map((position) => x[position]!)) };
    };
    const exact = interpret(fn, [inputs.map(valueOf)]);
    results.forEach((result, i) => expect(close(exact.y[i]!, result), `value ${i}`).toBeUndefined());
    gradients.forEach((part, i) => expect(close(exact.g[i]!, part), `gradient ${i}`).toBeUndefined());

    const ran = await compile(fn, { label: name })(inputs.map(tensorOf));
    results.forEach((result, i) => expect(difference(ran.y[i]!, valueOf(result), 2e-6)).toBeUndefined());
    gradients.forEach((part, i) => expect(difference(ran.g[i]!, valueOf(part), 1e-5)).toBeUndefined());
  });
});

describe('SciPy', () => {
  it.each(Object.keys(reference.scipy))('%s', async (name) => {
    const grid = reference.grid.map(Number);
    const wanted = new Value([grid.length], 'float32', reference.scipy[name]!.map(Number));
    const apply = (x: Tensor): Tensor => [engine[name]!(x)].flat()[0]!;
    interpret(apply, [new Value([grid.length], 'float32', grid)]).values.forEach((value, i) => {
      expect(Math.abs(value - wanted.values[i]!)).toBeLessThanOrEqual(1e-14 * Math.max(1, Math.abs(value)));
    });
    const ran = await compile(apply)(f.tensor(Float32Array.from(grid)));
    expect(difference(ran, wanted, 1e-6)).toBeUndefined();
  });
});
