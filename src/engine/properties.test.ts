/**
 * Properties over random shapes: broadcasting, slices, reductions, reshapes and transposes against the interpreter
 * and plain loops; einsum against a naive sum. Many cases share one session, since a session costs more than a case.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { random } from '../core/random.ts';
import { difference } from './fixtures/arrays.ts';
import * as f from './index.ts';
import { compile, elementCount, interpret, tensor, type Shape, type Tensor, Value } from './index.ts';
import { broadcastShapes } from './operators/shapes.ts';

const array = (shape: Shape, name: string): Tensor =>
  tensor(random(name).fillNormal(new Float32Array(elementCount(shape))), { shape });
/** Small whole numbers: their sums of products are exact in any order. */
function wholeArray(shape: Shape, name: string): Tensor {
  const stream = random(name);
  return tensor(
    Float32Array.from({ length: elementCount(shape) }, () => stream.integer(7) - 3),
    { shape },
  );
}
const size = fc.integer({ min: 0, max: 4 });
const shapeOf = (maxRank: number): fc.Arbitrary<number[]> => fc.array(size, { maxLength: maxRank });

interface Case {
  readonly inputs: readonly Tensor[];
  readonly apply: (...x: Tensor[]) => Tensor;
}

/** Draws many cases at once and runs them in one session, against the interpreter and what `also` knows. */
async function holds<T>(
  drawn: fc.Arbitrary<T>,
  toCase: (value: T) => Case,
  also: (value: T, result: Tensor, inputs: readonly Tensor[]) => void = () => {},
  count = 120,
): Promise<void> {
  const values = fc.sample(drawn, { numRuns: count, seed: 11 });
  const cases = values.map(toCase);
  const fn = (inputs: readonly (readonly Tensor[])[]): Tensor[] => cases.map(({ apply }, i) => apply(...inputs[i]!));
  const inputs = cases.map((one) => one.inputs);
  const expected = interpret(fn, [inputs]);
  const actual = await compile(fn, { label: 'property' })(inputs);
  actual.forEach((result, i) => {
    expect(difference(result, expected[i]!), JSON.stringify(values[i])).toBeUndefined();
    also(values[i]!, result, inputs[i]!);
  });
}

/** Two shapes that broadcast: of one shape, each loses leading axes and has some sizes replaced by 1. */
const broadcastable = fc
  .record({
    shape: shapeOf(4),
    drop: fc.tuple(fc.nat({ max: 4 }), fc.nat({ max: 4 })),
    ones: fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
  })
  .map(({ shape, drop, ones }) => {
    const cut = (operand: 0 | 1): number[] =>
      shape.map((s, axis) => (ones[operand * 4 + axis] === true ? 1 : s)).slice(Math.min(drop[operand], shape.length));
    return [cut(0), cut(1)] as const;
  });

describe('over random shapes', () => {
  it('element-wise operators broadcast as NumPy does', () =>
    holds(
      broadcastable,
      ([a, b]) => ({ inputs: [array(a, 'a'), array(b, 'b')], apply: (x, y) => f.sub(x, f.mul(y, 2)) }),
      ([a, b], result, [x, y]) => {
        const shape = broadcastShapes(a, b)!;
        expect(result.shape).toEqual(shape);
        // Element by element with strides, apart from the interpreter's way.
        const at = (operand: Tensor, place: number): number => {
          let [rest, offset, stride] = [place, 0, 1];
          for (let axis = shape.length - 1; axis >= 0; axis--) {
            const own = operand.shape[axis - shape.length + operand.rank] ?? 1;
            if (own !== 1) offset += (rest % shape[axis]!) * stride;
            rest = Math.floor(rest / shape[axis]!);
            stride *= own;
          }
          return (operand.data as Float32Array)[offset]!;
        };
        (result.data as Float32Array).forEach((value, i) => expect(value).toBeCloseTo(at(x!, i) - 2 * at(y!, i), 5));
      },
    ));

  it("gradients of broadcast operands have the operands' shapes and sums", () =>
    holds(broadcastable, ([a, b]) => ({
      inputs: [array(a, 'a'), array(b, 'b')],
      apply: (x, y) => {
        const { gx, gy } = f.grad((p: { gx: Tensor; gy: Tensor; [key: string]: Tensor }) =>
          f.sum(f.square(f.sub(p.gx, f.mul(p.gy, 2)))),
        )({ gx: x, gy: y });
        return f.concat([f.reshape(gx, [-1]), f.reshape(gy, [-1])]);
      },
    })));

  it('shapes that do not broadcast are refused', () => {
    fc.assert(
      fc.property(shapeOf(3), shapeOf(3), (a, b) => {
        fc.pre(broadcastShapes(a, b) === undefined);
        expect(() => interpret((x: Tensor, y: Tensor) => f.add(x, y), [array(a, 'a'), array(b, 'b')])).toThrow(
          /broadcast/,
        );
      }),
      { numRuns: 50, seed: 1 },
    );
  });

  it("slices are JavaScript's along each axis", () =>
    holds(
      fc.record({
        shape: fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 3 }),
        bounds: fc.array(
          fc.tuple(fc.integer({ min: -8, max: 8 }), fc.integer({ min: -8, max: 8 }), fc.integer({ min: 1, max: 3 })),
          {
            minLength: 3,
            maxLength: 3,
          },
        ),
      }),
      ({ shape, bounds }) => ({
        inputs: [array(shape, 'x')],
        apply: (x) =>
          f.slice(x, {
            starts: shape.map((_, axis) => bounds[axis]![0]),
            ends: shape.map((_, axis) => bounds[axis]![1]),
            steps: shape.map((_, axis) => bounds[axis]![2]),
          }),
      }),
      ({ shape, bounds }, result, [x]) => {
        type Nest = number | Nest[];
        const nest = (axis: number, start: number, width: number): Nest =>
          axis === shape.length
            ? (x!.data as Float32Array)[start]!
            : Array.from({ length: shape[axis]! }, (_, i) =>
                nest(axis + 1, start + (i * width) / shape[axis]!, width / shape[axis]!),
              );
        const cut = (value: Nest, axis: number): Nest =>
          Array.isArray(value)
            ? value
                .slice(bounds[axis]![0], bounds[axis]![1])
                .filter((_, i) => i % bounds[axis]![2] === 0)
                .map((inner) => cut(inner, axis + 1))
            : value;
        expect([...(result.data as Float32Array)]).toEqual([cut(nest(0, 0, x!.size), 0)].flat(9));
      },
    ));

  const reducible = fc.record({
    shape: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 4 }),
    picks: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
    isNegative: fc.boolean(),
    keepDims: fc.boolean(),
  });
  const reductions = { sum: f.sum, mean: f.mean, max: f.max, min: f.min, prod: f.prod, logSumExp: f.logSumExp };
  it.each(Object.entries(reductions))('%s over any axes', (_, reduce) =>
    holds(
      reducible,
      ({ shape, picks, isNegative, keepDims }) => {
        const axes = shape.flatMap((_, axis) =>
          picks[axis] === true ? [isNegative ? axis - shape.length : axis] : [],
        );
        return { inputs: [array(shape, 'x')], apply: (x) => reduce(x, { axes, keepDims }) };
      },
      ({ shape, picks, keepDims }, result) => {
        const kept = shape.flatMap((s, axis) => (picks[axis] === true ? (keepDims ? [1] : []) : [s]));
        expect(result.shape).toEqual(kept);
      },
      60,
    ),
  );

  it('reshapes keep the order, and a transpose is undone by its inverse', () =>
    holds(
      fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 4 }).chain((shape) =>
        fc
          .shuffledSubarray(
            shape.map((_, i) => i),
            { minLength: shape.length },
          )
          .map((order) => ({ shape, order })),
      ),
      ({ shape, order }) => ({
        inputs: [array(shape, 'x')],
        apply: (x) => f.reshape(f.transpose(f.reshape(f.reshape(x, [elementCount(shape)]), shape), order), [-1, 1]),
      }),
      ({ shape, order }, result, [x]) => {
        const turned = interpret(
          (y: Tensor) =>
            f.reshape(
              y,
              order.map((axis) => shape[axis]!),
            ),
          [result],
        );
        const inverse = order.map((_, axis) => order.indexOf(axis));
        const back = interpret((y: Tensor) => f.transpose(y, inverse), [turned]);
        expect([...back.values]).toEqual([...x!.toFloat64()]);
      },
    ));

  const letters = ['a', 'b', 'c', 'd'] as const;
  const subsets = fc.shuffledSubarray([...letters], { minLength: 1, maxLength: 3 });
  it('einsum is the sum over all letters that the result lacks', () =>
    holds(
      fc
        .record({
          terms: fc.array(subsets, { minLength: 1, maxLength: 3 }),
          sizes: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 4, maxLength: 4 }),
          order: fc.shuffledSubarray([...letters], { minLength: 4 }),
          length: fc.nat({ max: 4 }),
        })
        .map(({ terms, sizes, order, length }) => {
          const used = new Set(terms.flat());
          return { terms, sizes, result: order.filter((letter) => used.has(letter)).slice(0, length) };
        }),
      ({ terms, sizes, result }) => ({
        inputs: terms.map((term, i) =>
          wholeArray(
            term.map((letter) => sizes[letters.indexOf(letter)]!),
            `operand ${i}`,
          ),
        ),
        apply: (...x) => f.einsum(`${terms.map((term) => term.join('')).join(', ')} -> ${result.join('')}`, ...x),
      }),
      ({ terms, sizes, result }, actual, inputs) => {
        const shape = result.map((letter) => sizes[letters.indexOf(letter)]!);
        const sums = new Float64Array(elementCount(shape));
        const used = letters.filter((letter) => terms.some((term) => term.includes(letter)));
        const place = (names: readonly string[], at: ReadonlyMap<string, number>): number =>
          names.reduce((sum, letter) => sum * sizes[letters.indexOf(letter as 'a')]! + at.get(letter)!, 0);
        const visit = (depth: number, at: Map<string, number>): void => {
          if (depth === used.length) {
            const product = terms.reduce((p, term, i) => p * (inputs[i]!.data as Float32Array)[place(term, at)]!, 1);
            sums[place(result, at)]! += product;
            return;
          }
          for (let i = 0; i < sizes[letters.indexOf(used[depth]!)]!; i++) visit(depth + 1, at.set(used[depth]!, i));
        };
        visit(0, new Map());
        expect(difference(actual, new Value(shape, 'float32', sums), 0)).toBeUndefined();
      },
      150,
    ));
});
