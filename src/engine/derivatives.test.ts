/**
 * First and second derivatives of every differentiable operator. The gradient's graph is interpreted in float64 and
 * compared with central differences of the interpreted function, so that the tolerance can be 1e-6; the compiled
 * float32 gradients are compared with the interpreted ones. Each result of an operator is weighted by numbers that
 * are differentiated by as well, so that second derivatives of linear operators are not zero.
 */
import { describe, expect, it } from 'vitest';
import { random } from '../core/random.ts';
import { derivativeRules } from './derivatives/rules.ts';
import type { OperatorCase } from './fixtures/case.ts';
import { casesOf } from './fixtures/operator-cases.ts';
import {
  add,
  compile,
  fill,
  grad,
  interpret,
  interpretation,
  isFloat,
  mul,
  sum,
  Tensor,
  tensor,
  Value,
} from './index.ts';
import type { OperatorName } from './operators/attributes.ts';
import { emitOne } from './operators/emit.ts';

type Name = OperatorName;
const differentiable = (Object.keys(derivativeRules) as Name[]).filter(
  (name) => derivativeRules[name] !== 'none' && name !== 'matmulQuantised',
);

/** What is differentiated by: operands and the weights of the results. */
interface Variables {
  readonly operands: readonly Tensor[];
  readonly weights: readonly Tensor[];
  readonly [key: string]: readonly Tensor[];
}

/** A case as a scalar function of float32 operands and weights, and random numbers to test it with. */
function scalarCase(one: OperatorCase): {
  loss: (variables: Variables) => Tensor;
  /** The gradient of `loss` in a fixed direction: a scalar whose gradient is a second derivative. */
  slope: (variables: Variables) => Tensor;
  at: { operands: Tensor[]; weights: Tensor[] };
} {
  const by = one.by ?? one.inputs.flatMap(({ dtype }, i) => (dtype === 'float32' ? [i] : []));
  const stream = random('directions').split(one.name);
  const numbers = (like: { shape: readonly number[]; size: number }): Tensor =>
    tensor(stream.fillNormal(new Float32Array(like.size)), { shape: like.shape });
  const results = (operands: readonly Tensor[]): Tensor[] => {
    const inputs = [...one.inputs];
    by.forEach((position, i) => (inputs[position] = operands[i]!));
    return [one.apply(...inputs)].flat().filter(({ dtype }) => isFloat(dtype));
  };
  const operands = by.map((position) => one.inputs[position]!);
  const shapes: { shape: readonly number[]; size: number }[] = [];
  interpretation(
    (x: readonly Tensor[]) => {
      shapes.push(...results(x));
      return [];
    },
    [operands],
  );
  const weights = shapes.map(numbers);
  const directions = { operands: operands.map(numbers), weights: weights.map(numbers) };
  const loss = ({ operands: x, weights: w }: Variables): Tensor =>
    results(x)
      .map((y, i) => sum(mul(y.dtype === 'float32' ? y : emitOne('cast', [y], { to: 'float32' }), w[i]!)))
      .reduce(add, fill([], 0));
  const slope = (variables: Variables): Tensor => {
    const gradient = grad(loss)(variables);
    return (['operands', 'weights'] as const)
      .flatMap((group) => gradient[group].map((g, i) => sum(mul(g, directions[group][i]!))))
      .reduce(add, fill([], 0));
  };
  return { loss, slope, at: { operands, weights } };
}

const toValue = (x: Tensor): Value => new Value(x.shape, x.dtype, x.toFloat64());

/** Where the interpreted gradient of `fn` differs from central differences of the interpreted `fn`. */
function againstDifferences(
  fn: (variables: Variables) => Tensor,
  at: { readonly operands: readonly Tensor[]; readonly weights: readonly Tensor[] },
  { step = 1e-5, derivativeTolerance = 1e-6 }: OperatorCase,
): string[] {
  const values = { operands: at.operands.map(toValue), weights: at.weights.map(toValue) };
  const gradient = interpret(grad(fn), [values as never]);
  const f = interpretation(fn, [values as never]);
  const found: string[] = [];
  for (const group of ['operands', 'weights'] as const) {
    values[group].forEach((value, position) => {
      const differences = value.values.map((x, i) => {
        const moved = (by: number): number => {
          const list = values[group].with(position, new Value(value.shape, value.dtype, value.values.with(i, x + by)));
          return f.run([{ ...values, [group]: list }]).values[0]!;
        };
        return (moved(step) - moved(-step)) / (2 * step);
      });
      const wrong = differenceOf(gradient[group][position]!, differences, derivativeTolerance);
      if (wrong !== undefined) found.push(`by ${group} ${position}: ${wrong}`);
    });
  }
  return found;
}

function differenceOf(gradient: Value, expected: Float64Array, tolerance: number): string | undefined {
  // Not relative alone: terms of size 1 may cancel, and float32 keeps their rounding.
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [gradient.values[i]!, expected[i]!];
    if (!Object.is(a, b) && !(Math.abs(a - b) <= tolerance * (1 + Math.abs(b))))
      return `element ${i} is ${a} instead of ${b}`;
  }
  return gradient.values.length === expected.length ? undefined : 'another size';
}

describe('derivatives of every differentiable operator', () => {
  it.each(differentiable)('%s', async (name) => {
    const cases = casesOf(name).filter(
      ({ inputs, by }) => by?.length !== 0 && inputs.some(({ dtype }) => dtype === 'float32'),
    );
    expect(cases.length).toBeGreaterThan(0);
    const found: string[] = [];
    const scalars = cases.map(scalarCase);
    let reaches = 0;
    cases.forEach((one, i) => {
      const { loss, slope, at } = scalars[i]!;
      const { nodes } = interpretation(loss, [at as never]);
      if (nodes.some(({ operator }) => operator === name)) reaches++;
      found.push(...againstDifferences(loss, at, one).map((text) => `${one.name}: first ${text}`));
      found.push(...againstDifferences(slope, at, one).map((text) => `${one.name}: second ${text}`));
    });
    expect(found).toEqual([]);
    expect(reaches).toBeGreaterThan(0);

    // What the runtime computes, in one session an operator.
    const all = (list: readonly Variables[]): { first: unknown; second: unknown }[] =>
      list.map((variables, i) => ({
        first: grad(scalars[i]!.loss)(variables),
        second: grad(scalars[i]!.slope)(variables),
      }));
    const points = scalars.map(({ at }) => at) as unknown as readonly Variables[];
    const interpreted = leaves(interpret(all, [points]));
    const compiled = leaves(await compile(all, { label: `gradients of ${name}` })(points));
    expect(compiled.length).toBe(interpreted.length);
    compiled.forEach((x, i) => {
      const wanted = interpreted[i] as Value;
      expect(x.shape).toEqual(wanted.shape);
      expect(differenceOf(toValue(x as Tensor), wanted.values, 2e-5)).toBeUndefined();
    });
  });

  it('matmulQuantised says that it has none', () => {
    const [one] = casesOf('matmulQuantised');
    const x = one!.inputs[0]!;
    const trace = (): unknown =>
      interpret(
        grad((y: Tensor) => sum(one!.apply(y, ...one!.inputs.slice(1)) as Tensor)),
        [x],
      );
    expect(trace).toThrow(expect.objectContaining({ code: 'engine.no-derivative' }));
  });
});

/** The arrays of a tree in order. */
function leaves(tree: unknown): (Tensor | Value)[] {
  if (tree instanceof Tensor || tree instanceof Value) return [tree];
  return Object.values(tree as object).flatMap(leaves);
}
