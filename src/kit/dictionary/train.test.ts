import { describe, expect, test } from 'vitest';
import { random } from '../../core/random.ts';
import { codeStatistics } from './metrics.ts';
import { encoderOf, openDictionary, saveDictionary, type Dictionary } from './dictionary.ts';
import { geometricMedian } from './geometric-median.ts';
import { meanMaxCosine, type PlantedFeatures, plantedFeatures } from './planted-features.ts';
import { openTrainer, type StepReport, type TrainingSettings } from './train.ts';

const [width, count, active] = [12, 24, 2];
const bed = plantedFeatures({ count, width, active }, random('bed'));

async function trained(
  settings: TrainingSettings,
  from: PlantedFeatures = bed,
): Promise<{ dictionary: Dictionary; last: StepReport }> {
  const trainer = openTrainer(settings);
  const state = trainer.initial(from.sample(random('sample'), 2000), width, random('dictionary'));
  let last: StepReport | undefined;
  for (let i = 0; i < settings.steps; i++) {
    last = await trainer.step(state, from.sample(random('batches').split(i), settings.batch));
  }
  return { dictionary: state.dictionary, last: last! };
}
const recovery = ({ parameters }: Dictionary): number =>
  meanMaxCosine(bed.directions, parameters.decoder.data as Float32Array, width).value;

describe('planted features come back', () => {
  test('TopK: mean max cosine at least 0.97, from about 0.5 untrained', async () => {
    const settings = { form: 'topk', latents: 48, k: active, steps: 1200, batch: 256 } as const;
    const trainer = openTrainer(settings);
    const start = trainer.initial(bed.sample(random('sample'), 2000), width, random('dictionary'));
    expect(recovery(start.dictionary)).toBeLessThan(0.65);
    const { dictionary, last } = await trained(settings);
    expect(recovery(dictionary)).toBeGreaterThanOrEqual(0.97);
    expect(last.unexplained).toBeLessThan(0.12);
    // Twice as many latents as features: many end unused, which is counted, not hidden.
    expect(last.dead).toBeGreaterThan(5);
  });

  test('BatchTopK: at least 0.97, with k codes on average and a threshold that gives as many outside training', async () => {
    const { dictionary, last } = await trained({
      form: 'batch-topk',
      latents: 48,
      k: active,
      steps: 3000,
      batch: 256,
    });
    expect(recovery(dictionary)).toBeGreaterThanOrEqual(0.97);
    expect(last.l0).toBeCloseTo(active, 1);
    const { codes, rebuilt } = await encoderOf(dictionary)(bed.sample(random('held out'), 1000));
    const seen = codeStatistics(codes, 48);
    expect(seen.l0).toBeGreaterThan(0.9 * active);
    expect(seen.l0).toBeLessThan(1.1 * active);
    expect(rebuilt.length).toBe(1000 * width);
  });

  test('Matryoshka with an inner dictionary larger than the features: at least 0.97', async () => {
    const { dictionary } = await trained({
      form: 'matryoshka',
      latents: 72,
      k: active,
      nested: [36, 72],
      steps: 2000,
      batch: 256,
    });
    expect(recovery(dictionary)).toBeGreaterThanOrEqual(0.97);
  });

  test('L1 recovers as well only with more than twice the true number of codes', async () => {
    const { dictionary, last } = await trained({
      form: 'l1',
      latents: 48,
      k: active,
      sparsity: 0.6,
      steps: 2000,
      batch: 256,
    });
    expect(recovery(dictionary)).toBeGreaterThan(0.95);
    expect(last.l0).toBeGreaterThan(2 * active);
  });

  test('JumpReLU aims at a number of codes and comes near it', async () => {
    const { dictionary, last } = await trained({
      form: 'jumprelu',
      latents: 48,
      k: active,
      sparsity: 0.1,
      targetL0: active,
      steps: 2000,
      batch: 256,
    });
    expect(last.l0).toBeLessThan(1.5 * active);
    expect(recovery(dictionary)).toBeGreaterThan(0.9);
  });
});

test('a dictionary without features finds no good one: dense noise stays unexplained', async () => {
  const noise: PlantedFeatures = {
    ...bed,
    sample: (stream, rows) => stream.fillNormal(new Float32Array(rows * width)),
  };
  const { last } = await trained({ form: 'topk', latents: 48, k: active, steps: 1000, batch: 256 }, noise);
  expect(last.unexplained).toBeGreaterThan(0.4);
});

test('a saved state goes on as if it had never been away, bit for bit', async () => {
  const settings = { form: 'batch-topk', latents: 60, k: 2, steps: 40, batch: 64, deadAfter: 640 } as const;
  const trainer = openTrainer(settings);
  const begin = () => trainer.initial(bed.sample(random('sample'), 500), width, random('dictionary'));
  const batch = (i: number): Float32Array => bed.sample(random('batches').split(i), 64);
  const whole = begin();
  for (let i = 0; i < 40; i++) await trainer.step(whole, batch(i));
  const half = begin();
  for (let i = 0; i < 25; i++) await trainer.step(half, batch(i));
  const again = openTrainer(settings);
  const resumed = again.load(await trainer.save(half));
  for (let i = 25; i < 40; i++) await again.step(resumed, batch(i));
  expect(await again.save(resumed)).toEqual(await trainer.save(whole));
});

test('a kept dictionary encodes as the one that was trained', async () => {
  const { dictionary } = await trained({ form: 'topk', latents: 50, k: 2, steps: 20, batch: 64 });
  const { dictionary: opened, about } = openDictionary(await saveDictionary(dictionary, { site: 'embed' }));
  expect(about).toEqual({ site: 'embed' });
  const x = bed.sample(random('held out'), 10);
  expect(await encoderOf(opened)(x)).toEqual(await encoderOf(dictionary)(x));
  expect(() => openDictionary(new Uint8Array(4))).toThrow();
});

test('the geometric median is not drawn to what lies far away', () => {
  // X = np.array([[0, 0], [1, 0], [0, 1], [1, 1.5], [50, 50]])
  // scipy.optimize.minimize(lambda m: np.linalg.norm(X - m, axis=1).sum(), [.3, .4], method='Nelder-Mead').x
  const median = geometricMedian(Float32Array.of(0, 0, 1, 0, 0, 1, 1, 1.5, 50, 50), 2);
  expect(median[0]).toBeCloseTo(0.648806, 4);
  expect(median[1]).toBeCloseTo(0.890388, 4);
});
