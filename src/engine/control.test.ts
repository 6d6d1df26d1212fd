/** Steering derivatives: checkpoint, customDerivative, stopGradient, vectorJacobian, auxiliary results. */
import { describe, expect, it } from 'vitest';
import * as f from './index.ts';
import { checkpoint, compile, grad, interpret, tensor, type Tensor, Value } from './index.ts';

const numbers = (x: Tensor): number[] => [...x.toFloat64()];
const w = tensor([
  [0.5, -0.25],
  [0.75, 1],
]);
const b = tensor([0.1, -0.2]);
const x = tensor([
  [1, 2],
  [-1, 0.5],
  [0, 1],
]);

interface Weights {
  readonly w: Tensor;
  readonly b: Tensor;
  readonly [key: string]: Tensor;
}
type Wrap = (fn: (...args: Tensor[]) => Tensor) => (...args: Tensor[]) => Tensor;
const plain: Wrap = (fn) => fn;

/** The gradient, in float64 and compiled, with and without recomputation. */
async function gradients(
  loss: (wrap: Wrap) => (p: Weights, x: Tensor) => Tensor,
  reached: readonly string[] = ['w', 'b'],
): Promise<void> {
  const expected = interpret(grad(loss(plain)), [{ w, b }, x]);
  const recomputed = interpret(grad(loss(checkpoint)), [{ w, b }, x]);
  const compiled = await compile(grad(loss(checkpoint)))({ w, b }, x);
  const stored = await compile(grad(loss(plain)))({ w, b }, x);
  for (const key of ['w', 'b']) {
    expect([...recomputed[key]!.values]).toEqual([...expected[key]!.values]);
    expect(numbers(compiled[key]!)).toEqual(numbers(stored[key]!));
    numbers(stored[key]!).forEach((value, i) => expect(value).toBeCloseTo(expected[key]!.values[i]!, 5));
    expect(expected[key]!.values.some((value) => value !== 0)).toBe(reached.includes(key));
  }
}

describe('checkpoint', () => {
  it('gives equal gradients, by what it closes over too', () =>
    gradients((wrap) => (p, y) => {
      let h = y;
      for (let i = 0; i < 3; i++) h = wrap((z) => f.tanh(f.add(f.matmul(z, p.w), p.b)))(h);
      return f.sum(f.square(h));
    }));

  it('gives equal gradients when nested', () =>
    gradients((wrap) => (p, y) => {
      const inner = (h: Tensor): Tensor => wrap((z) => f.tanh(f.matmul(z, p.w)))(h);
      return f.sum(wrap((h) => f.mul(inner(inner(h)), p.b))(inner(y)));
    }));

  it('gives equal gradients for several arguments, of which one is read twice and one not at all', () =>
    gradients((wrap) => (p, y) => f.sum(wrap((a, c) => f.mul(f.exp(f.matmul(a, c)), f.sum(c)))(y, p.w, p.b)), ['w']));

  it('gives equal gradients where the result is an argument or a constant', async () => {
    const fn = (wrap: Wrap) => (y: Tensor) => f.add(f.sum(wrap((z) => z)(y)), f.sum(wrap(() => f.fill([2], 3))(y)));
    const gradient = await compile(grad(fn(checkpoint)))(x);
    expect(numbers(gradient)).toEqual([1, 1, 1, 1, 1, 1]);
  });

  it('has second derivatives', () => {
    const slope = (wrap: Wrap) => (y: Tensor) =>
      f.sum(
        f.mul(
          grad((z: Tensor) => f.sum(wrap((v) => f.exp(f.sin(v)))(z)))(y),
          f.constant(Float32Array.of(1, 2, 3), [3]),
        ),
      );
    const at = new Value([3], 'float32', [0.3, -1, 2]);
    expect([...interpret(grad(slope(checkpoint)), [at]).values]).toEqual([
      ...interpret(grad(slope(plain)), [at]).values,
    ]);
  });

  it('puts a barrier before what is computed again, and only there', () => {
    const loss = (wrap: Wrap) => (y: Tensor) => f.sum(f.square(wrap((z) => f.exp(f.sin(z)))(f.exp(y))));
    const count = (wrap: Wrap, operator: string): number =>
      compile((y: Tensor) => grad(loss(wrap))(y))
        .program(x)
        .nodes.filter((node) => node.operator === operator).length;
    expect([count(plain, 'barrier'), count(checkpoint, 'barrier')]).toEqual([0, 1]);
    expect(count(checkpoint, 'sin')).toBe(count(plain, 'sin') + 1);
  });
});

describe('customDerivative', () => {
  it('passes straight through a rounding', async () => {
    const round = f.customDerivative(
      (y) => f.floor(f.add(y, 0.5)),
      (_, __, g) => [g],
    );
    const both = await compile((y: Tensor) => f.valueAndGrad((z: Tensor) => f.sum(f.mul(round(z), z)))(y))(
      tensor([0.4, 1.6, -2.2]),
    );
    // d/dz of round(z) z, with round's slope taken as 1: z + round(z).
    expect(both.value.item()).toBeCloseTo(0 + 3.2 + 4.4, 5);
    numbers(both.gradient).forEach((g, i) => expect(g).toBeCloseTo([0.4, 3.6, -4.2][i]!, 5));
  });

  it('gives the rule its arguments and result, and takes undefined for zero', async () => {
    const seen: unknown[] = [];
    const product = f.customDerivative(
      (a, c) => f.mul(a, c),
      ([a, c], result, g) => {
        seen.push(a!.shape, c!.shape, result.shape);
        return [f.mul(g, f.add(result, c!)), undefined];
      },
    );
    const gradient = await compile((y: Tensor) =>
      grad((p: { a: Tensor; c: Tensor; [key: string]: Tensor }) => f.sum(product(p.a, p.c)))({ a: y, c: f.mul(y, 2) }),
    )(tensor([1, 3]));
    expect([numbers(gradient.a), numbers(gradient.c)]).toEqual([
      [4, 24],
      [0, 0],
    ]);
    expect(seen).toEqual([[2], [2], [2]]);
  });

  it('a rule is differentiated itself', () => {
    const cube = f.customDerivative(
      (y) => f.mul(f.square(y), y),
      ([y], _, g) => [f.mul(g, f.mul(f.square(y!), 3))],
    );
    const second = grad((y: Tensor) => f.sum(grad((z: Tensor) => f.sum(cube(z)))(y)));
    expect([...interpret(second, [tensor([1, -2])]).values]).toEqual([6, -12]);
  });
});

describe('gradients', () => {
  it('stopGradient counts as a constant', async () => {
    const slope = compile(grad((y: Tensor) => f.sum(f.mul(y, f.stopGradient(f.square(y))))));
    expect(numbers(await slope(tensor([2, 3])))).toEqual([4, 9]);
  });

  it('vectorJacobian pulls cotangents back, zero where nothing depends', async () => {
    const pulled = compile((y: Tensor, g: Tensor) => {
      const { value, pull } = f.vectorJacobian((z) => f.matmul(z, w), y);
      const none = f.vectorJacobian(() => f.fill([2], 1), y);
      return { value, back: pull(g), none: none.pull(f.fill([2], 1)) };
    });
    const { value, back, none } = await pulled(tensor([[1, 2]]), tensor([[10, 100]]));
    expect([numbers(value), numbers(back), numbers(none)]).toEqual([
      [2, 1.75],
      [-20, 107.5],
      [0, 0],
    ]);
  });

  it('by a tree: integers and what is not reached get zeros, and the rest of the arguments none', async () => {
    const both = compile((p: { a: Tensor; n: Tensor; u: Tensor; [key: string]: Tensor }, scale: Tensor) =>
      f.valueAndGradWithAux((q: { a: Tensor; n: Tensor; u: Tensor; [key: string]: Tensor }, s: Tensor) => {
        const y = f.mul(f.gather(q.a, q.n), s);
        return { loss: f.sum(y), aux: { y } };
      })(p, scale),
    );
    const p = { a: tensor([1, 2, 3]), n: tensor([0, 0, 2], { dtype: 'int64' }), u: tensor([5]) };
    const { value, aux, gradient } = await both(p, tensor(10));
    expect(value.item()).toBe(50);
    expect(numbers(aux.y)).toEqual([10, 10, 30]);
    expect([numbers(gradient.a), numbers(gradient.n), numbers(gradient.u)]).toEqual([[20, 0, 10], [0, 0, 0], [0]]);
    expect(gradient.n.dtype).toBe('int64');
  });

  it('a table that is read twice and multiplied gathers all its parts', async () => {
    const loss = (t: Tensor): Tensor =>
      f.add(
        f.sum(f.square(f.gather(t, tensor([0, 2, 0], { dtype: 'int64' })))),
        f.add(f.sum(f.mul(t, 3)), f.sum(f.gather(t, tensor([1], { dtype: 'int64' })))),
      );
    const table = tensor([[1], [2], [3]]);
    expect(numbers(await compile(grad(loss))(table))).toEqual([7, 4, 9]);
  });

  it('the gradient of a gradient of a gradient', () => {
    const third = grad((y: Tensor) => f.sum(grad((v: Tensor) => f.sum(grad((z: Tensor) => f.sum(f.sin(z)))(v)))(y)));
    const [value] = interpret(third, [new Value([1], 'float32', [0.7])]).values;
    expect(value).toBeCloseTo(-Math.cos(0.7), 14);
  });
});
