/**
 * Every operator's values on the CPU against the float64 interpreter: random and edge shapes, broadcasting both ways,
 * every element type. The cases of one operator share one session; where that fails each case is tried alone, so that
 * the report names it.
 */
import { describe, expect, it } from 'vitest';
import { isFiducialError } from '../core/errors.ts';
import * as f from './index.ts';
import { compile, configureEngine, interpret, type Tensor } from './index.ts';
import { anyOf, difference } from './fixtures/arrays.ts';
import type { OperatorCase } from './fixtures/case.ts';
import { casesOf, operatorCases } from './fixtures/operator-cases.ts';
import type { OperatorName } from './operators/attributes.ts';
import { shapeRules } from './operators/shapes.ts';

configureEngine({ threads: 2 });

const names = Object.keys(shapeRules) as OperatorName[];
const applyAll =
  (cases: readonly OperatorCase[]) =>
  (inputs: readonly (readonly Tensor[])[]): Tensor[][] =>
    cases.map(({ apply }, i) => [apply(...inputs[i]!)].flat());

async function check(cases: readonly OperatorCase[]): Promise<string[]> {
  const inputs = cases.map((one) => one.inputs);
  const expected = interpret(applyAll(cases), [inputs]);
  const actual = await compile(applyAll(cases), { label: cases[0]!.name })(inputs);
  return cases.flatMap(({ name, tolerance }, i) =>
    expected[i]!.flatMap((value, output) => {
      const found = difference(actual[i]![output]!, value, tolerance);
      return found === undefined ? [] : [`${name}, result ${output}: ${found}`];
    }),
  );
}

async function checkEach(cases: readonly OperatorCase[]): Promise<string[]> {
  const found: string[] = [];
  for (const one of cases) {
    found.push(...(await check([one]).catch((error: unknown) => [`${one.name}: ${String(error)}`])));
  }
  return found;
}

describe('values against the float64 interpreter', () => {
  it('has cases for every operator, and only for those', () => {
    expect(Object.keys(operatorCases).sort()).toEqual([...names].sort());
  });

  it.each(names)('%s', async (name) => {
    const cases = casesOf(name);
    const program = compile(applyAll(cases)).program(cases.map(({ inputs }) => inputs));
    expect(program.nodes.some(({ operator }) => operator === name)).toBe(true);
    expect(await check(cases).catch(() => checkEach(cases))).toEqual([]);
  });
});

describe('element types', () => {
  const scatter = (a: Tensor, b: Tensor): Tensor => f.scatterAddRows(a, f.iota(3, 'int32'), b);
  const along = { axes: 0 };
  const functions: Record<string, (a: Tensor, b: Tensor) => Tensor> = {
    neg: (x) => f.neg(x),
    abs: (x) => f.abs(x),
    sign: (x) => f.sign(x),
    clip: (x) => f.clip(x, 0, 2),
    exp: (x) => f.exp(x),
    isNaN: (x) => f.isNaN(x),
    sum: (x) => f.sum(x, along),
    mean: (x) => f.mean(x, along),
    max: (x) => f.max(x, along),
    min: (x) => f.min(x, along),
    prod: (x) => f.prod(x, along),
    any: (x) => f.any(x),
    argMax: (x) => f.argMax(x, 0),
    cumulativeSum: (x) => f.cumulativeSum(x, 0),
    topK: (x) => f.topK(x, 2, 0).values,
    softmax: (x) => f.softmax(x),
    oneHot: (x) => f.oneHot(x, 3),
    add: f.add,
    sub: f.sub,
    mul: f.mul,
    div: (a, b) => f.div(a, f.where(f.equal(b, 0), 1, b)),
    pow: (a) => f.pow(a, 2),
    maximum: f.maximum,
    minimum: f.minimum,
    equal: f.equal,
    less: f.less,
    lessOrEqual: f.lessOrEqual,
    greater: f.greater,
    greaterOrEqual: f.greaterOrEqual,
    scatter,
  };
  const dtypes = ['float32', 'float16', 'int32', 'int64', 'int8', 'uint8', 'bool'] as const;

  it.each(dtypes)("%s runs and gives the interpreter's values, or is refused as a type", async (dtype) => {
    const found: string[] = [];
    let ran = 0;
    for (const [name, fn] of Object.entries(functions)) {
      const args = [anyOf([3], dtype), anyOf([3], dtype)] as const;
      try {
        const wrong = difference(await compile(fn, { label: name })(...args), interpret(fn, args));
        if (wrong !== undefined) found.push(`${name}: ${wrong}`);
        ran++;
      } catch (error) {
        if (!isFiducialError(error, 'engine.dtype')) found.push(`${name}: ${String(error)}`);
      }
    }
    expect(found).toEqual([]);
    expect(ran).toBeGreaterThan(dtype === 'bool' ? 1 : 6);
    if (dtype.startsWith('float')) expect(ran).toBe(Object.keys(functions).length);
  });
});
