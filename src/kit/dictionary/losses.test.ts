import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  compile,
  fromData,
  gradientsOf,
  identity,
  sub,
  tensor,
  type Tensor,
  valueAndGrad,
} from '../../engine/index.ts';
import type { DictionaryForm, DictionaryParameters } from './dictionary.ts';
import { auxiliaryLoss, dictionaryLoss, jumpRelu, type LossSettings } from './losses.ts';

const [batch, width, latents, k] = [4, 3, 6, 2];

/** As in reference.py: cosines of their index. */
const wave = (shape: readonly number[], pace: number, size = 1, shift = 0): Tensor =>
  fromData(
    Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => size * Math.cos(pace * (i + 1)) + shift),
    shape,
    'float32',
  );
const parameters = (): DictionaryParameters => ({
  encoder: wave([latents, width], 1.3),
  encoderBias: wave([latents], 0.7, 0.2),
  decoder: wave([latents, width], 2.1),
  decoderBias: wave([width], 0.9, 0.3),
  logThreshold: wave([latents], 0.4, 0.5, -1),
});
const x = wave([batch, width], 0.37, 2);
const dead = tensor([0, 1, 0, 1, 1, 0]);
const settings: LossSettings = { sparsity: 0.3, targetL0: undefined, bandwidth: 0.5, auxiliary: 1 / 32, auxiliaryK: 2 };
const shape = (form: DictionaryForm) => ({ form, width, latents, k, nested: [2, 4, 6] });

// /usr/bin/python3 src/kit/dictionary/reference.py
const reference = JSON.parse(readFileSync(new URL('reference.json', import.meta.url), 'utf8')) as Record<
  string,
  { loss: number; gradients: Record<string, number[]> }
>;

describe('the loss and its gradient are those of PyTorch', () => {
  test.each(Object.keys(reference))('%s', async (name) => {
    const [form, more] = name.split(', ') as [DictionaryForm, string?];
    const own = more === 'target' ? { ...settings, targetL0: 2 } : settings;
    const step = compile((p: DictionaryParameters) =>
      valueAndGrad(
        (q: DictionaryParameters) => dictionaryLoss(shape(form), own, q, x, more === 'dead' ? dead : undefined, 1).loss,
      )(p),
    );
    const { value, gradient } = await step(parameters());
    expect(value.item()).toBeCloseTo(reference[name]!.loss, 5);
    for (const [array, expected] of Object.entries(reference[name]!.gradients)) {
      const got = gradient[array]!.toFloat64();
      expected.forEach((one, i) => expect(got[i], `${array} ${i}`).toBeCloseTo(one, 4));
    }
  });
});

describe("what peers' auxiliary losses got wrong", () => {
  const auxiliary = async (p: DictionaryParameters) =>
    await compile((q: DictionaryParameters) => {
      const pre = identity(wave([batch, latents], 0.8));
      const loss = auxiliaryLoss(q, pre, sub(x, q.decoderBias), dead, 2);
      const [encoder, decoder, centre] = gradientsOf(loss, [pre, q.decoder, q.decoderBias]);
      return { loss, encoder: encoder!, decoder: decoder!, centre: centre! };
    })(p);
  const size = (array: Tensor): number => Math.hypot(...array.toFloat64());

  test('its gradient reaches the encoder, and only through dead latents', async () => {
    const { encoder, decoder } = await auxiliary(parameters());
    expect(size(decoder)).toBeGreaterThan(1e-3);
    expect(size(encoder)).toBeGreaterThan(1e-3);
    const perLatent = Array.from({ length: latents }, (_, latent) =>
      Array.from({ length: batch }, (__, row) => Math.abs(encoder.toFloat64()[row * latents + latent]!)).reduce(
        (a, b) => a + b,
      ),
    );
    expect(perLatent.map((sum) => sum > 0)).toEqual([false, true, false, true, true, false]);
  });

  test('the centre is neither added to its guess nor moved by it', async () => {
    const { loss, centre } = await auxiliary(parameters());
    expect(size(centre)).toBe(0);
    const moved = { ...parameters(), decoderBias: wave([width], 0.9, 30) };
    // The residual moves with the centre here; over its own variance the guess without a centre is compared with it.
    const other = await auxiliary(moved);
    expect(other.loss.item()).toBeGreaterThan(loss.item());
  });

  test('it is 0, not NaN, where nothing is left to explain', async () => {
    const pre = wave([batch, latents], 0.8);
    const loss = await compile((q: DictionaryParameters) => auxiliaryLoss(q, pre, sub(x, x), dead, 2))(parameters());
    expect(loss.item()).toBe(0);
  });
});

test("JumpReLU's window reaches below the threshold, where a peer's ends", async () => {
  const slope = compile((z: Tensor, at: Tensor) => gradientsOf(jumpRelu(z, at, 0.2), [at])[0]!);
  // Just below, just above, far below: -(theta / width) inside the window on either side.
  for (const [z, expected] of [
    [0.45, -0.5 / 0.2],
    [0.55, -0.5 / 0.2],
    [0.2, 0],
  ]) {
    expect((await slope(tensor([z!]), tensor([0.5]))).item()).toBeCloseTo(expected!, 5);
  }
});
