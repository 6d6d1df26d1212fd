/**
 * Looks inside a small model with random weights, held against the network's own numbers, and inside one whose words are
 * a chain, so that what it says and what a push does to it are known.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeChainModel, writeRandomModel } from '../../../test/small-model.ts';
import { openModel, type OpenModel } from '../../models/open/index.ts';
import { describeInside, look } from './look.ts';
import type { Attention, Heat, InsideQuestion, Lens, Steered } from './protocol.ts';

let folder: string;
let noise: OpenModel;
let chain: OpenModel;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fiducial-inside-'));
  await writeRandomModel(join(folder, 'noise'));
  await writeChainModel(join(folder, 'chain'), [
    ['a', 'b', 'c', 'a'],
    ['x', 'y', 'z', 'x'],
  ]);
  noise = await openModel(join(folder, 'noise'));
  chain = await openModel(join(folder, 'chain'));
});
afterAll(async () => {
  await noise.close();
  await chain.close();
  await rm(folder, { recursive: true });
});

const ask = async <T>(model: OpenModel, question: InsideQuestion): Promise<T> => (await look(model, question)) as T;
const text = 'The gate.';

describe('looking inside', () => {
  it('says what a model is made of, with places that exist', () => {
    const { layers, heads, blockSites } = describeInside(noise);
    expect([layers, heads]).toEqual([2, 4]);
    expect(blockSites).toContain('resid_post');
    expect(blockSites).toContain('attn.pattern');
  });

  it('gives the length or one unit of a place at each token', async () => {
    const site = 'blocks.1.resid_post';
    const ids = noise.tokenizer.encode(text);
    const [result] = await noise.network.run([ids], { read: [site] });
    const data = result!.values[site]!.toFloat64();
    const lengths = await ask<Heat>(noise, { do: 'heat', text, site });
    expect(lengths.tokens.join('')).toBe(text);
    expect(lengths.units).toBe(32);
    lengths.values.forEach((value, at) => {
      const row = [...data.subarray(at * 32, at * 32 + 32)];
      expect(value).toBeCloseTo(Math.hypot(...row), 3);
    });
    const unit = await ask<Heat>(noise, { do: 'heat', text, site, unit: 5 });
    unit.values.forEach((value, at) => expect(value).toBeCloseTo(data[at * 32 + 5]!, 3));
    const head = await ask<Heat>(noise, { do: 'heat', text, site: 'blocks.0.attn.z', head: 1, unit: 2 });
    expect(head.units).toBe(8);
    await expect(look(noise, { do: 'heat', text, site, unit: 32 })).rejects.toMatchObject({ code: 'inside.index' });
    await expect(look(noise, { do: 'heat', text, site: 'blocks.0.attn.pattern' })).rejects.toMatchObject({
      code: 'inside.site',
    });
    await expect(look(noise, { do: 'heat', text, site: 'blocks.0.resid' })).rejects.toMatchObject({
      code: 'network.site',
    });
  });

  it('gives patterns whose rows sum to 1 and never look ahead', async () => {
    const { patterns, tokens } = await ask<Attention>(noise, { do: 'attention', text, layer: 0 });
    expect(patterns).toHaveLength(4);
    for (const pattern of patterns) {
      expect(pattern).toHaveLength(tokens.length);
      pattern.forEach((row, q) => {
        expect(row).toHaveLength(tokens.length);
        // Each is rounded to a thousandth.
        expect(Math.abs(row.reduce((sum, p) => sum + p, 0) - 1000)).toBeLessThanOrEqual(tokens.length / 2);
        expect(row.slice(q + 1).every((p) => p === 0)).toBe(true);
      });
    }
    await expect(look(noise, { do: 'attention', text, layer: 2 })).rejects.toMatchObject({ code: 'inside.index' });
    const long = 'x'.repeat(97);
    await expect(look(noise, { do: 'attention', text: long, layer: 0 })).rejects.toMatchObject({ code: 'inside.text' });
  });

  it('reads the last block as the model itself does, and an earlier one otherwise', async () => {
    const { layers } = await ask<Lens>(noise, { do: 'lens', text, top: 2 });
    expect(layers).toHaveLength(2);
    const scored = await noise.score(text, 2);
    // The lens at a token is what the model expects after it.
    layers[1]!.slice(0, -1).forEach((top, at) => {
      const { alternatives } = scored[at + 1]!;
      expect(top.map(({ token }) => token)).toEqual(alternatives!.map(({ token }) => token));
      top.forEach(({ p }, rank) => expect(Math.log(p)).toBeCloseTo(alternatives![rank]!.logprob, 2));
    });
    expect(layers[0]).not.toEqual(layers[1]);
  });

  it('goes on as the model does without a push, and along the direction with one', async () => {
    const question = { do: 'steer', prompt: 'ab', towards: 'x', away: 'b', layer: 0, tokens: 4 } as const;
    const still = await ask<Steered>(chain, { ...question, strength: 0 });
    expect(still.text).toBe('cabc');
    // In this model the stream of a token is the token: from "b" to "x" it says what follows "x".
    const pushed = await ask<Steered>(chain, { ...question, strength: 5 });
    expect(pushed.text).toBe('yyyy');
    const back = await ask<Steered>(chain, { ...question, strength: -5 });
    expect(back.text[0]).toBe('c');
    expect(still.directionNorm).toBeGreaterThan(0);
  });
});
