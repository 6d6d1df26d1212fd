/**
 * Dictionaries over the activations of a model whose words are sums of known directions (and of its twin, whose words
 * are dense noise), and over a model from a folder.
 */
import { describe, expect, it } from 'vitest';
import { testRunner } from '../../../test/runner.ts';
import type { Outcome } from '../../core/index.ts';
import { openDictionary } from '../../kit/dictionary/dictionary.ts';
import { plantedDictionaryCase } from '../../kit/dictionary/planted-texts.ts';
import { dataOf } from '../method.ts';
import { sparseAutoencoder } from './sparse-autoencoder.ts';

const runner = testRunner();
const measure = ({ measures }: Outcome, name: string) => measures.find((one) => one.name === name)!;
const planted = (kind: 'features' | 'noise' = 'features') => {
  const { target, texts, directions } = plantedDictionaryCase(kind);
  return { target, texts: dataOf('texts', texts), directions: dataOf('directions', directions) };
};
const settings = { ...sparseAutoencoder.demo.params, steps: 1000 };

describe('planted features', () => {
  it('come back from a tap with a mean max cosine of at least 0.97, and the model hardly notices the dictionary', async () => {
    const outcome = await runner.outcome(sparseAutoencoder, settings, planted());
    expect(measure(outcome, 'mean max cosine').value).toBeGreaterThanOrEqual(0.97);
    expect(measure(outcome, 'explained variance').value).toBeGreaterThan(0.9);
    expect(measure(outcome, 'codes an activation').value).toBeCloseTo(2, 1);
    expect(measure(outcome, 'loss recovered, against zeros').value).toBeGreaterThan(0.7);
    expect(measure(outcome, 'loss added by the reconstruction').value).toBeGreaterThan(0);
    // Twice as many latents as features leaves some unused, and says so.
    expect(measure(outcome, 'latents unused on held-out texts').value).toBeGreaterThan(0.1);

    const { dictionary, about } = openDictionary(await runner.store.artefacts.get(outcome.products!['dictionary']!));
    expect(about).toMatchObject({ site: 'blocks.0.resid_pre', skip: '0' });
    expect(dictionary).toMatchObject({ form: 'topk', latents: 48, width: 14, k: 2 });
  });

  it('are not found in dense noise, whatever the loss recovered says', async () => {
    const outcome = await runner.outcome(sparseAutoencoder, { ...settings, steps: 600 }, planted('noise'));
    expect(measure(outcome, 'explained variance').value).toBeLessThan(0.75);
    expect(measure(outcome, 'mean max cosine').value).toBeLessThan(0.85);
  });
});

it('directions of another width are refused', async () => {
  const directions = dataOf('directions', [{ id: 'short', direction: [1, 2] }]);
  await expect(runner.outcome(sparseAutoencoder, settings, { ...planted(), directions })).rejects.toThrow(/2 entries/);
});

it('a site that is not there is refused before anything is computed', async () => {
  await expect(
    runner.outcome(sparseAutoencoder, { ...settings, site: 'blocks.9.resid_pre' }, planted()),
  ).rejects.toThrow(/no site/);
});
