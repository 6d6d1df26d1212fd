import { describe, expect, test } from 'vitest';
import { random } from '../../core/random.ts';
import { initialiseNetwork } from '../../network/index.ts';
import { letterConfig } from '../training/letter-model.ts';
import { firstTokens, sharedEnd } from './chat-prompts.ts';
import { cosineOf, meanDifference } from './mean-difference.ts';
import { plantedModel } from './planted-model.ts';
import { steeredLogits, withoutDirection } from './steered.ts';

describe('the difference of means in planted Gaussian noise', () => {
  const [width, n, c] = [64, 128, 2];
  const draw = (seed: number) => {
    const stream = random('planted gaussian').split(seed);
    const truth = new Float64Array(width);
    truth[0] = 1;
    const rows = (name: string, shift: number): Float64Array[] =>
      Array.from({ length: n }, (_, i) => {
        const row = stream.split(name).split(i).fillNormal(new Float64Array(width));
        row[0]! += shift;
        return row;
      });
    const found = meanDifference(rows('harm', c), rows('none', 0));
    return { ...found, cosine: cosineOf(found.direction, truth) };
  };
  const replicates = Array.from({ length: 150 }, (_, seed) => draw(seed));
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

  test('has the cosine of theory: c / sqrt(c^2 + 2 D / n) = 0.8944', () => {
    const theory = c / Math.sqrt(c ** 2 + (width * 2) / n);
    expect(theory).toBeCloseTo(0.8944, 4);
    expect(Math.abs(mean(replicates.map(({ cosine }) => cosine)) - theory)).toBeLessThan(0.006);
    expect(Math.abs(mean(replicates.map(({ expectedCosine }) => expectedCosine)) - theory)).toBeLessThan(0.006);
  });
  test('lies within three of its standard errors, which are as large as the cosines scatter', () => {
    const centre = mean(replicates.map(({ cosine }) => cosine));
    const scatter = Math.sqrt(mean(replicates.map(({ cosine }) => (cosine - centre) ** 2)));
    const stated = mean(replicates.map(({ standardError }) => standardError));
    expect(stated / scatter).toBeGreaterThan(0.75);
    expect(stated / scatter).toBeLessThan(1.5);
    const far = replicates.filter(
      ({ cosine, expectedCosine, standardError }) => Math.abs(cosine - expectedCosine) > 3 * standardError,
    );
    expect(far.length).toBeLessThanOrEqual(6);
  });
  test('two groups from one distribution allow no direction', () => {
    const rows = (name: string) =>
      Array.from({ length: n }, (_, i) => random('same').split(name).split(i).fillNormal(new Float64Array(width)));
    expect(meanDifference(rows('a'), rows('b')).expectedCosine).toBeLessThan(0.6);
    expect(() => meanDifference(rows('a').slice(0, 1), rows('b'))).toThrow(/1 and 128 rows/);
  });
});

describe('steering', () => {
  // A letter model with weights that matter, its unembedding its own.
  const network = initialiseNetwork(
    { ...letterConfig({ width: 32, layers: 2 }), tie_word_embeddings: false, initializer_range: 0.5 },
    random('steering'),
  );
  const texts = [
    [5, 9, 30, 200],
    [7, 8],
    [100, 101, 102, 103, 104, 105],
  ];
  const direction = random('direction').fillNormal(new Float64Array(32));

  test('without any it is the network itself, whatever the padding', async () => {
    const plain = await network.run(texts, { positions: [-1] });
    const steered = await steeredLogits(network)(texts);
    plain.forEach(({ logits }, i) => {
      const own = logits!.toFloat64();
      steered[i]!.forEach((value, j) => expect(Math.abs(value - own[j]!)).toBeLessThan(1e-4));
    });
  });
  test('the edit of the weights is the ablation to 1e-5 of the logits', async () => {
    const hooked = await steeredLogits(network)(texts, { ablate: direction });
    const edited = await steeredLogits(await withoutDirection(network, direction))(texts);
    const plain = await steeredLogits(network)(texts);
    let size = 0;
    let changed = 0;
    let apart = 0;
    hooked.forEach((logits, i) =>
      logits.forEach((value, j) => {
        size = Math.max(size, Math.abs(value));
        changed = Math.max(changed, Math.abs(value - plain[i]![j]!));
        apart = Math.max(apart, Math.abs(value - edited[i]![j]!));
      }),
    );
    expect(changed / size).toBeGreaterThan(0.01);
    expect(apart / size).toBeLessThan(1e-5);
  });
  test('addition at a layer is the intervention of the network', async () => {
    const vector = Float32Array.from(direction);
    const own = await network.run(texts, {
      positions: [-1],
      interventions: [{ site: 'blocks.1.resid_pre', mode: 'add', value: vector }],
    });
    const steered = await steeredLogits(network)(texts, { add: { layer: 1, vector } });
    own.forEach(({ logits }, i) => {
      const values = logits!.toFloat64();
      steered[i]!.forEach((value, j) => expect(Math.abs(value - values[j]!)).toBeLessThan(1e-4));
    });
  });
  test('tied embeddings are not edited: what reads them would change too', async () => {
    const tied = initialiseNetwork(letterConfig({ width: 32, layers: 1 }), random('tied'));
    await expect(withoutDirection(tied, direction)).rejects.toThrow(/also the unembedding/);
  });
});

test('what prompts share at their end, and with which tokens a phrase begins', () => {
  expect(
    sharedEnd(
      [
        [1, 2, 3, 4],
        [9, 3, 4],
      ],
      8,
    ),
  ).toBe(2);
  expect(
    sharedEnd(
      [
        [1, 2, 3, 4],
        [9, 2, 3, 4],
      ],
      2,
    ),
  ).toBe(2);
  expect(sharedEnd([[1], [2]], 8)).toBe(1);
  const words = new Map([['no', [0, 0]]]);
  const { tokenizer } = plantedModel({ width: 2, words, answers: new Map() });
  expect(firstTokens({ tokenizer }, ['no way'])).toEqual([tokenizer.idOf('no')]);
});
