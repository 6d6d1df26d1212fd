/** The WebGPU device gives the interpreter's answers on the cases of every operator, where there is an adapter. */
import { describe, expect, it } from 'vitest';
import { compile, grad, interpret, sum, type Tensor } from './index.ts';
import { whyUnusable } from './fixtures/adapter.ts';
import { difference } from './fixtures/arrays.ts';
import type { OperatorCase } from './fixtures/case.ts';
import { casesOf } from './fixtures/operator-cases.ts';
import type { OperatorName } from './operators/attributes.ts';
import { shapeRules } from './operators/shapes.ts';

const why = whyUnusable('webgpu');
if (why !== undefined) console.info(`WebGPU tests are skipped: ${why}`);

/** Shaders need not keep infinities and NaN, and approximate transcendental functions. */
const isFor = ({ name }: OperatorCase): boolean => !/^(edges|infinite)/.test(name);
const TOLERANCE = 2e-5;

async function check(one: OperatorCase): Promise<string[]> {
  const fn = (inputs: readonly Tensor[]): Tensor[] => [one.apply(...inputs)].flat();
  const expected = interpret(fn, [one.inputs]);
  try {
    const actual = await compile(fn, { device: 'webgpu', label: one.name })(one.inputs);
    return expected.flatMap((value, i) => {
      const tolerance = value.dtype === 'float32' ? TOLERANCE : undefined;
      const found = difference(actual[i]!, value, tolerance);
      return found === undefined ? [] : [`${one.name}: ${found}`];
    });
  } catch (error) {
    return [`${one.name}: ${String(error)}`];
  }
}

describe.skipIf(why !== undefined)('WebGPU against the interpreter', () => {
  it.each(Object.keys(shapeRules) as OperatorName[])('%s', async (name) => {
    const found: string[] = [];
    for (const one of casesOf(name).filter(isFor)) found.push(...(await check(one)));
    expect(found).toEqual([]);
  });

  it('keeps results on the device until they are asked for, and takes them back as arguments', async () => {
    const { toHost, tensor, mul } = await import('./index.ts');
    const slope = compile((x: Tensor) => grad((y: Tensor) => sum(mul(y, mul(y, y))))(x), {
      device: 'webgpu',
      keepOnDevice: true,
    });
    const first = await slope(tensor([1, 2]));
    expect(() => first.data).toThrow(expect.objectContaining({ code: 'engine.not-on-host' }));
    expect([...(await toHost(await slope(first))).toFloat64()]).toEqual([27, 432]);
  });
});
