/**
 * Every operator's values on the CPU against the float64 interpreter: random and edge shapes, broadcasting both ways,
 * every element type. The cases of one operator share one session; where that fails each case is tried alone, so that
 * the report names it.
 */
import { describe, expect, it } from 'vitest';
import { compile, configureEngine, interpret, type Tensor } from './index.ts';
import { difference } from './fixtures/arrays.ts';
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
