/**
 * The probe on planted activations: a mean along a known direction, noise around it, and one huge channel that says
 * nothing (card B2's pitfall).
 */
import { describe, expect, it } from 'vitest';
import { random } from '../../core/random.ts';
import { probeScores, probeTraining, trainProbe } from './activation-probe.ts';

const channels = 24;
const direction = Float64Array.from({ length: channels }, (_, c) =>
  c === 0 ? 0 : random('direction').split(c).normal(),
);
const norm = Math.hypot(...direction);

/** 40 tokens; a harmful text has the direction in a burst of ten. Channel 0 is near 5,000 in every text. */
function text(i: number, isHarmful: boolean, burst = 10) {
  const own = random('text').split(i);
  const activations = own.fillNormal(new Float32Array(40 * channels));
  const from = own.integer(40 - burst);
  for (let t = 0; t < 40; t++) {
    activations[t * channels] = 5000 + activations[t * channels]!;
    if (!isHarmful || t < from || t >= from + burst) continue;
    for (let c = 0; c < channels; c++) activations[t * channels + c]! += (2 * direction[c]!) / norm;
  }
  return { activations, label: isHarmful ? (1 as const) : (0 as const) };
}

describe('activation probe', () => {
  const texts = Array.from({ length: 200 }, (_, i) => text(i, i % 2 === 1));
  const probe = trainProbe(texts, channels, ['planted'], probeTraining, random(1));

  it('finds the planted direction and is not drawn away by a huge channel', () => {
    const dot = direction.reduce((sum, value, c) => sum + value * probe.weights[c]!, 0);
    expect(dot / (norm * Math.hypot(...probe.weights))).toBeGreaterThan(0.9);
    expect(Math.abs(probe.weights[0]!)).toBeLessThan(0.3 * Math.max(...probe.weights.map(Math.abs)));
  });

  it('tells unseen texts apart by the running maximum', () => {
    const scoreOf = (i: number, isHarmful: boolean) => probeScores(probe, text(i, isHarmful).activations).at(-1)!;
    const benign = Array.from({ length: 100 }, (_, i) => scoreOf(1000 + i, false));
    const harmful = Array.from({ length: 100 }, (_, i) => scoreOf(2000 + i, true));
    const limit = benign.sort((a, b) => b - a)[5]!;
    expect(harmful.filter((score) => score > limit).length).toBeGreaterThan(85);
  });

  it('averages with factor 2 / (window + 1), and never falls once the window is full', () => {
    const plain = { sites: ['a'], window: 3, bias: 0.5, weights: Float32Array.of(1) };
    // Logits 1.5, 2.5, 0.5, 0.5: plain averages 1.5 and 2, then with factor 1/2 1.25 and 0.875.
    expect([...probeScores(plain, Float32Array.of(1, 2, 0, 0))]).toEqual([1.5, 2, 1.25, 1.25]);
    expect(probeScores(plain, new Float32Array(0))).toHaveLength(0);
  });

  it('refuses values that are none', () => {
    expect(() =>
      trainProbe([{ activations: Float32Array.of(NaN), label: 1 }], 1, ['a'], probeTraining, random(1)),
    ).toThrow('NaN');
    expect(() =>
      trainProbe([{ activations: Float32Array.of(1, 2, 3), label: 1 }], 2, ['a'], probeTraining, random(1)),
    ).toThrow('3 values for 2 channels');
  });
});
