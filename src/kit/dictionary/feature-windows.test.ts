import { describe, expect, test } from 'vitest';
import { random } from '../../core/random.ts';
import { examplesOf, type FeatureWindow, highlighted, markedByActivation, peakOf } from './feature-windows.ts';

const window = (text: string, activations: readonly number[]): FeatureWindow => ({
  text,
  tokens: activations.map((_, i) => `${i === 0 ? '' : ' '}t${i}`),
  activations,
});

test('what is strong enough is marked, and neighbours share their marks', () => {
  const one = window('a', [0, 1, 0.9, 0.2, 0.5]);
  expect(highlighted(one, markedByActivation(one))).toBe('t0 <<t1 t2>> t3 <<t4>>');
  const silent = window('b', [0, 0]);
  expect(highlighted(silent, markedByActivation(silent))).toBe('t0 t1');
  expect(peakOf(silent)).toBe(0);
});

describe('examples', () => {
  const windows = Array.from({ length: 100 }, (_, i) => window(`text ${i % 20}`, [0, i % 2 === 0 ? 1 + i / 10 : 0]));
  const isExplained = (text: string): boolean => Number(text.slice(5)) < 10;
  const found = examplesOf(windows, isExplained, { shown: 10, tested: 12 }, random('examples'))!;

  test('no text is both shown and tested', () => {
    expect(found.shown.every(({ text }) => isExplained(text))).toBe(true);
    expect([...found.active, ...found.silent].some(({ text }) => isExplained(text))).toBe(false);
    expect([found.shown.length, found.active.length, found.silent.length]).toEqual([10, 12, 12]);
  });
  test('active ones are active, silent ones silent, and strengths are spread', () => {
    expect(found.active.every((one) => peakOf(one) > 0)).toBe(true);
    expect(found.silent.every((one) => peakOf(one) === 0)).toBe(true);
    const peaks = found.active.map(peakOf);
    expect(Math.min(...peaks)).toBeLessThan(4);
    expect(Math.max(...peaks)).toBeGreaterThan(8);
    expect(new Set(found.active).size).toBe(12);
  });
  test('a feature that is hardly ever active has none', () => {
    expect(examplesOf(windows, isExplained, { shown: 10, tested: 40 }, random('examples'))).toBeUndefined();
  });
});
