import { describe, expect, test } from 'vitest';
import { plantedModel } from '../directions/planted-model.ts';
import { activationSource } from './activations.ts';
import { codeStatistics, densityShares, lossRecovered, reconstructionOf, reconstructionSums } from './metrics.ts';
import { splicedLosses } from './spliced-losses.ts';

test('codes: how many, how often, how strong', () => {
  const seen = codeStatistics(Float32Array.of(1, 0, 0, 3, 2, 0, 0, 0, 0), 3);
  expect(seen.l0).toBeCloseTo(1, 12);
  expect([...seen.density]).toEqual([2 / 3, 1 / 3, 0]);
  expect([...seen.strength]).toEqual([2, 2, 0]);
  expect(densityShares(seen)).toEqual({ dead: 1 / 3, above1: 2 / 3, above10: 2 / 3 });
});

describe('reconstruction', () => {
  const x = Float32Array.of(1, 2, 3, -1, 0, 5, 2, 2);
  test('of itself explains everything', () => {
    expect(reconstructionOf([reconstructionSums(x, x, 2)])).toMatchObject({
      explained: 1,
      lengths: 1,
      relativeBias: 1,
    });
  });
  test('the mean explains nothing, and half of each row is shorter by half', () => {
    const mean = Float32Array.from(x, (_, i) => (i % 2 === 0 ? 1.5 : 2));
    expect(reconstructionOf([reconstructionSums(x, mean, 2)]).explained).toBeCloseTo(0, 12);
    const half = reconstructionOf([
      reconstructionSums(
        x,
        x.map((v) => v / 2),
        2,
      ),
    ]);
    expect(half).toMatchObject({ lengths: 0.5, relativeBias: 0.5 });
    expect(half.explained).toBeCloseTo(0.75, 12);
    expect(half.cosine).toBeCloseTo(1, 12);
  });
  test('parts add up to the whole: variances are over all rows at once, not averaged over parts', () => {
    const rebuilt = x.map((v, i) => v + (i % 3) / 4);
    const whole = reconstructionOf([reconstructionSums(x, rebuilt, 2)]);
    const parts = [0, 4].map((at) => reconstructionSums(x.slice(at, at + 4), rebuilt.slice(at, at + 4), 2));
    expect(reconstructionOf(parts).explained).toBeCloseTo(whole.explained, 12);
    const averaged = parts.reduce((sum, part) => sum + reconstructionOf([part]).explained / 2, 0);
    expect(Math.abs(averaged - whole.explained)).toBeGreaterThan(1e-3);
  });
});

test('loss recovered: all of it for the identity, none for zeros, not known where zeros cost nothing', () => {
  expect(lossRecovered({ clean: 1, patched: 1, ablated: 3 })).toEqual({ recovered: 1, rise: 0 });
  expect(lossRecovered({ clean: 1, patched: 3, ablated: 3 })).toEqual({ recovered: 0, rise: 2 });
  expect(lossRecovered({ clean: 1, patched: 1, ablated: 1 }).recovered).toBeUndefined();
});

test('an identity dictionary changes no loss of a model, and zeros in its place do', async () => {
  const words = new Map([
    ['a', [1, 0]],
    ['b', [0, 1]],
  ]);
  const answers = new Map([
    ['a', { reading: [0, 4] }],
    ['b', { reading: [4, 0] }],
  ]);
  const { network, tokenizer } = plantedModel({ width: 2, layers: 1, words, answers, endsTurn: false });
  const texts = ['a b a b', 'b a b'].map((text) => tokenizer.encode(text));
  const same = await activationSource(network, 'blocks.0.resid_pre', texts, 1).read([0, 1]);
  const [first, second] = await splicedLosses(network, 'blocks.0.resid_pre', texts, 1, same);
  // Three and two next tokens at -log(e^4 / (e^4 + 1)) each.
  const each = Math.log(1 + Math.exp(-4));
  expect(first!.clean).toBeCloseTo(3 * each, 3);
  expect(second!.clean).toBeCloseTo(2 * each, 3);
  expect(first!.patched).toBeCloseTo(first!.clean, 5);
  expect(second!.patched).toBeCloseTo(second!.clean, 5);
  // The first position is left as it is; at the others all tokens are equally likely then.
  expect(first!.ablated).toBeCloseTo(each + 2 * Math.log(6), 2);
  expect([first!.tokens, second!.tokens]).toEqual([3, 2]);
});
