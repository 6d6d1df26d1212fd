/** Donated arrays: updates in place change no bit of any result, and where overwriting is unsafe buffers are exchanged. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { random } from '../core/random.ts';
import * as f from './index.ts';
import { compile, tensor, type Tensor } from './index.ts';

const WIDTH = 8;
const array = (seed: string, shape: readonly number[] = [WIDTH, WIDTH]): Tensor =>
  tensor(random(seed).fillNormal(new Float32Array(f.elementCount(shape)), 0, 0.5), { shape });

/** The bytes of an array as text: compared much faster than element by element. */
const bits = ({ data }: Tensor): string =>
  Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64');

/** One step of a program over square matrices: an operation and the values it reads. */
interface Operation {
  readonly kind: number;
  readonly left: number;
  readonly right: number;
}
const kinds: readonly ((a: Tensor, b: Tensor) => Tensor)[] = [
  f.add,
  f.sub,
  f.mul,
  (a, b) => f.matmul(a, b),
  (a, b) => f.matmul(a, b, { transposeB: true }),
  (a) => f.neg(a),
  (a) => f.tanh(a),
  (a) => f.transpose(a),
  (a, b) => f.where(f.greater(a, b), a, b),
  (a, b) => f.add(f.mul(a, 0.9), f.mul(b, 0.1)),
  (a, b) => f.sub(a, f.sum(b, { axes: 0, keepDims: true })),
  (a, b) => f.reshape(f.add(f.reshape(a, [-1]), f.reshape(b, [-1])), [WIDTH, WIDTH]),
  (a) => f.softmax(a),
  (a) => f.identity(a),
  (a, b) => f.concat([f.narrow(a, 0, 0, 3), f.narrow(b, 0, 3, WIDTH)]),
];

const randomProgram = fc.record({
  operations: fc.array(
    fc.record({
      kind: fc.nat({ max: kinds.length - 1 }),
      left: fc.nat({ max: 30 }),
      right: fc.nat({ max: 30 }),
    }),
    { minLength: 1, maxLength: 7 },
  ),
  results: fc.array(fc.nat({ max: 30 }), { minLength: 1, maxLength: 4 }),
});

function build(operations: readonly Operation[], results: readonly number[]) {
  return (state: Tensor[], other: Tensor): Tensor[] => {
    const values = [...state, other];
    for (const { kind, left, right } of operations) {
      values.push(kinds[kind]!(values[left % values.length]!, values[right % values.length]!));
    }
    // Counted from the end, so that most results are computed ones.
    return results.map((back) => values[values.length - 1 - (back % values.length)]!);
  };
}

describe('donation', () => {
  it('changes no bit of any random program, over several calls', async () => {
    const seen = { inPlace: 0, exchanged: 0, passed: 0 };
    await fc.assert(
      fc.asyncProperty(randomProgram, async ({ operations, results }) => {
        const fn = build(operations, results);
        const plain = compile(fn);
        const donating = compile(fn, { donate: [0] });
        const other = array('other');
        const otherBits = bits(other);
        const fresh = (): Tensor[] => ['a', 'b', 'c'].map((seed) => array(seed));
        let [kept, given] = [fresh(), fresh()];
        const { donation } = donating.program(given, other);
        for (const way of Object.keys(seen) as (keyof typeof seen)[]) seen[way] += donation[way];
        for (let call = 0; call < 3; call++) {
          const [expected, actual] = [await plain(kept, other), await donating(given, other)];
          actual.forEach((x, i) => expect(bits(x)).toBe(bits(expected[i]!)));
          expect(bits(other)).toBe(otherBits);
          // The next state is the first results; what is missing is made anew.
          kept = fresh().map((x, i) => expected[i] ?? x);
          given = fresh().map((x, i) => actual[i] ?? x);
          // One array under two names cannot be donated.
          if (new Set(given.map(({ data }) => data)).size < given.length) break;
        }
      }),
      { numRuns: 60, seed: 7 },
    );
    // The programs met every way that a buffer can take.
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(9);
  }, 60_000);

  it('exchanges buffers where a value is still read after it would be overwritten', async () => {
    const mix = ([a, b]: Tensor[]): Tensor[] => [f.add(a!, f.cumulativeSum(b!)), f.add(b!, f.cumulativeSum(a!))];
    const [plain, crossing] = [compile(mix), compile(mix, { donate: [0] })];
    const fresh = (): Tensor[] => [array('a'), array('b')];
    expect(crossing.program(fresh()).donation).toEqual({ inPlace: 0, exchanged: 2, passed: 0 });
    let [kept, given] = [fresh(), fresh()];
    for (let call = 0; call < 3; call++) {
      [kept, given] = [await plain(kept), await crossing(given)];
      expect(given.map(bits)).toEqual(kept.map(bits));
    }
    const state = fresh();
    const swap = compile((s: Tensor[]) => [s[1]!, s[0]!], { donate: [0] });
    expect(swap.program(state).donation).toEqual({ inPlace: 0, exchanged: 0, passed: 2 });
    const [b, a] = await swap(state);
    expect([bits(a!), bits(b!)]).toEqual([bits(array('a')), bits(array('b'))]);
  });

  it('overwrites in place where it may: the result is the same memory', async () => {
    const step = compile((w: Tensor, g: Tensor) => f.sub(w, f.mul(g, 0.1)), { donate: [0] });
    const w = array('w');
    const memory = w.data;
    const updated = await step(w, array('g'));
    expect(updated.data).toBe(memory);
  });
});

interface Parameters {
  readonly [key: string]: Tensor;
}
interface State {
  readonly parameters: Parameters;
  readonly momentum: Parameters;
  readonly [key: string]: Parameters;
}

/** A small transformer's loss: one block with attention and an MLP over token ids. */
function loss(p: Parameters, ids: Tensor): Tensor {
  const [batch, time] = ids.shape as [number, number];
  const heads = (x: Tensor): Tensor => f.transpose(f.reshape(x, [batch, time, 2, WIDTH / 2]), [0, 2, 1, 3]);
  let x = f.embedding(p.embed!, ids);
  const [q, k, v] = f.split(f.linear(f.layerNorm(x, p.scale!, p.bias!), p.qkv!), 3, 2) as [Tensor, Tensor, Tensor];
  const mixed = f.attention(heads(q), heads(k), heads(v), { causal: true }).output;
  x = f.add(x, f.reshape(f.transpose(mixed, [0, 2, 1, 3]), [batch, time, WIDTH]));
  x = f.add(x, f.linear(f.gelu(f.linear(x, p.up!, p.upBias), 'tanh'), p.down!));
  const logits = f.linear(x, p.embed!, undefined, { transposeWeight: true });
  const before = f.narrow(logits, 1, 0, time - 1);
  return f.mean(f.crossEntropy(before, f.narrow(ids, 1, 1, time)).loss);
}

const makeStep =
  (clip: boolean) =>
  (state: State, ids: Tensor, rate: number): { state: State; loss: Tensor } => {
    const { value, gradient } = f.valueAndGrad((p: Parameters) => loss(p, ids))(state.parameters);
    const squares = f.treeLeaves(gradient).map((g) => f.sum(f.square(g)));
    const size = f.sqrt(squares.reduce(f.add));
    const factor = clip ? f.minimum(f.div(0.5, size), 1) : f.fill([], 1);
    const momentum = f.zipTrees([state.momentum, gradient], ([m, g]) =>
      f.add(f.mul(m!, 0.9), f.mul(g!, factor)),
    ) as Parameters;
    const parameters = f.zipTrees([state.parameters, momentum], ([p, m]) => f.sub(p!, f.mul(m!, rate))) as Parameters;
    return { state: { parameters, momentum }, loss: value };
  };

describe('a transformer step', () => {
  const shapes = {
    embed: [11, WIDTH],
    scale: [WIDTH],
    bias: [WIDTH],
    qkv: [WIDTH, 3 * WIDTH],
    up: [WIDTH, 20],
    upBias: [20],
    down: [20, WIDTH],
  };
  const start = (): State => {
    const make = (of: (name: string, shape: readonly number[]) => Tensor): Parameters =>
      Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, of(name, shape)]));
    return { parameters: make((name, shape) => array(name, shape)), momentum: make((_, shape) => f.full(shape, 0)) };
  };

  it.each([false, true])('is equal bit for bit with and without donation, clipped: %s', async (clip) => {
    const ids = tensor(
      [
        [1, 2, 3, 4, 5],
        [10, 0, 1, 0, 1],
      ],
      { dtype: 'int64' },
    );
    const plain = compile(makeStep(clip), { label: 'step' });
    const donating = compile(makeStep(clip), { label: 'step', donate: [0] });
    let [kept, given] = [start(), start()];
    const { donation } = donating.program(given, ids, 0.05);
    expect(donation.inPlace + donation.exchanged).toBe(14);
    if (clip) expect(donation.inPlace).toBeGreaterThanOrEqual(7);
    const losses: number[] = [];
    for (let i = 0; i < 8; i++) {
      const [a, b] = [await plain(kept, ids, 0.05), await donating(given, ids, 0.05)];
      expect(b.loss.item()).toBe(a.loss.item());
      losses.push(b.loss.item());
      [kept, given] = [a.state, b.state];
      const actual = f.namedLeaves(given);
      f.namedLeaves(kept).forEach(({ name, tensor }, j) => {
        expect(actual[j]!.name).toBe(name);
        expect(bits(actual[j]!.tensor)).toBe(bits(tensor));
      });
    }
    expect(losses.at(-1)).toBeLessThan(losses[0]!);
  });
});
