/** Scores of given completions against what generation reports; quantised weights against their definition. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { random } from '../../core/random.ts';
import { compile, fromData, linear, matmulQuantised, releaseSessions, type Tensor } from '../../engine/index.ts';
import type { Forwardable } from './forwardable.ts';
import { collect, Generator } from './generator.ts';
import { packWeight, quantise } from './quantise.ts';
import { RANDOM_CONFIGURATIONS, randomModel } from './random-model.ts';
import { scoreCompletion, scoreCompletions } from './score.ts';

const model = randomModel(RANDOM_CONFIGURATIONS.gemma2);
const tokensOf = (name: string, length: number): number[] => {
  const stream = random(6).split(name);
  return Array.from({ length }, () => stream.integer(61));
};
const folder = mkdtempSync(join(tmpdir(), 'fiducial-quantise-'));
afterAll(async () => {
  await releaseSessions();
  rmSync(folder, { recursive: true });
});

describe('scoreCompletions', () => {
  it('gives each token the log-probability that generation gave it, with the same alternatives', async () => {
    const generator = new Generator(model);
    const pairs = await Promise.all(
      [3, 17, 40, 1].map(async (length, i) => {
        const prompt = tokensOf(`${i}`, length);
        const request = { prompt, maxTokens: 5 + 9 * i, logprobs: 3, temperature: 1, name: `${i}` };
        const { ids, events } = await collect(generator.generate(request));
        return { prompt, completion: ids, events };
      }),
    );
    const scored = await scoreCompletions(model, pairs, { top: 3 });
    for (const [i, { events, completion }] of pairs.entries()) {
      expect(scored[i]!.map(({ id }) => id)).toEqual(completion);
      for (const [j, { logprob, top }] of scored[i]!.entries()) {
        const event = events[j]!;
        if (event.type === 'end') throw new Error('too few tokens');
        expect(Math.abs(logprob - event.logprob!)).toBeLessThan(1e-4);
        for (const [k, one] of top!.entries())
          expect(Math.abs(one.logprob - event.top![k]!.logprob)).toBeLessThan(1e-4);
      }
    }
    const alone = await scoreCompletion(model, pairs[2]!.prompt, pairs[2]!.completion);
    for (const [j, { logprob }] of alone.entries())
      expect(Math.abs(logprob - scored[2]![j]!.logprob)).toBeLessThan(1e-4);
    expect(alone[0]).not.toHaveProperty('top');
  });

  it('refuses what it cannot score and gives nothing for nothing', async () => {
    expect(await scoreCompletions(model, [{ prompt: [1], completion: [] }])).toEqual([[]]);
    await expect(scoreCompletion(model, [], [1])).rejects.toThrow('pair 0: the prompt has no tokens');
    await expect(scoreCompletion(model, [61], [1])).rejects.toThrow('token 0 is 61');
    await expect(scoreCompletion(model, tokensOf('x', 100), tokensOf('y', 30))).rejects.toThrow(
      '100 tokens of prompt and 30',
    );
  });
});

describe('quantise', () => {
  it.each([
    [4, false, 0.1],
    [4, true, 0.1],
    [8, false, 0.01],
    [8, true, 0.01],
  ] as const)(
    '%i bits, transposed %s: the runtime multiplies by the weights that were meant',
    async (bits, isTransposed, tolerance) => {
      const [inputs, outputs, block] = [40, 7, 16];
      const values = random(2).fillNormal(new Float32Array(inputs * outputs));
      const { codes, scales } = packWeight(values, { inputs, outputs, bits, block, isTransposed });
      const shape = [outputs, 3, (block * bits) / 8];
      const product = compile((x: Tensor, packed: Tensor, scale: Tensor) =>
        matmulQuantised(x, packed, scale, { bits, block, inputs, outputs }),
      );
      // Rows of the identity: the product is the weight itself, [inputs, outputs].
      const identity = Float32Array.from({ length: inputs * inputs }, (_, i) => (i % (inputs + 1) === 0 ? 1 : 0));
      const result = await product(
        fromData(identity, [inputs, inputs], 'float32'),
        fromData(codes, shape, 'uint8'),
        fromData(scales, [outputs, 3], 'float32'),
      );
      const got = result.data as Float32Array;
      for (let k = 0; k < inputs; k++) {
        for (let out = 0; out < outputs; out++) {
          const value = values[isTransposed ? k * outputs + out : out * inputs + k]!;
          const scale = Math.abs(scales[out * 3 + Math.floor(k / block)]!);
          const error = Math.abs(got[k * outputs + out]! - value);
          // Half a step, or a whole one at the end of the range that has a code less.
          expect(error).toBeLessThanOrEqual(scale * 1.001);
          expect(error / 3).toBeLessThan(tolerance);
        }
      }
    },
  );

  /** The float32 model whose projections have the values that codes and scales stand for. */
  const rounded = (exact: ReturnType<typeof randomModel>, bits: 4 | 8, block: number): Forwardable => {
    const weights = new Map<string, Tensor>();
    const product = (x: Tensor, name: string): Tensor => {
      const parameter = exact.parameters.get(name)!;
      const isTransposed = exact.description.weightLayout === 'in-out' && name !== exact.description.unembedding.weight;
      const [outputs, inputs] = (isTransposed ? parameter.shape.toReversed() : parameter.shape) as [number, number];
      const layout = { inputs, outputs, bits, block, isTransposed };
      const { codes, scales } = packWeight(parameter.data as Float32Array, layout);
      const blocks = Math.ceil(inputs / block);
      const values = new Float32Array(outputs * inputs);
      for (let out = 0; out < outputs; out++) {
        for (let k = 0; k < inputs; k++) {
          const at = out * blocks + Math.floor(k / block);
          const place = at * block + (k % block);
          const code = bits === 8 ? codes[place]! : (codes[place >> 1]! >> (place % 2 === 0 ? 0 : 4)) & 15;
          values[out * inputs + k] = scales[at]! * (code - 2 ** (bits - 1));
        }
      }
      if (!weights.has(name)) weights.set(name, fromData(values, [outputs, inputs], 'float32'));
      return linear(x, weights.get(name)!, undefined, { transposeWeight: true });
    };
    return { ...exact, forwardOptions: () => ({ ...exact.forwardOptions(), project: product }) };
  };

  const pairs = [{ prompt: tokensOf('p', 6), completion: tokensOf('c', 12) }];
  const largestError = async (one: Forwardable, other: Forwardable): Promise<number> => {
    const [[a], [b]] = [await scoreCompletions(one, pairs), await scoreCompletions(other, pairs)];
    return Math.max(...a!.map(({ logprob }, i) => Math.abs(logprob - b![i]!.logprob)));
  };

  it.each(['gpt2', 'gpt_neox', 'phi3, longrope', 'qwen3'] as const)(
    '%s computes with the rounded weights',
    async (name) => {
      const exact = randomModel(RANDOM_CONFIGURATIONS[name], { spread: 1 });
      const file = (bits: number): string => join(folder, `${name}-${bits}.safetensors`);
      const four = await quantise(exact.description, exact.parameters, {
        bits: 4,
        block: 16,
        accuracy: 'float32',
        file: file(4),
      });
      expect(await largestError(four, rounded(exact, 4, 16))).toBeLessThan(1e-4);
      expect(await largestError(four, exact)).toBeGreaterThan(1e-2); // it is quantised
      // Activations in 8 bits are a little off as well.
      const eight = await quantise(exact.description, exact.parameters, { bits: 8, block: 16, file: file(8) });
      expect(await largestError(eight, rounded(exact, 8, 16))).toBeLessThan(0.1);
      const reply = await collect(new Generator(eight).generate({ prompt: tokensOf('p', 6), maxTokens: 5 }));
      expect(reply.ids).toHaveLength(5);
    },
  );

  it('refuses settings that it does not have', async () => {
    const options = { file: join(folder, 'none.safetensors') };
    await expect(quantise(model.description, model.parameters, { bits: 4, block: 20, ...options })).rejects.toThrow(
      'block 20',
    );
    await expect(
      quantise(model.description, model.parameters, { bits: 8, accuracy: 'float32', ...options }),
    ).rejects.toThrow('8 bits with the accuracy float32');
  });
});
