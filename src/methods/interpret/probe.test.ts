/**
 * Probes on a model whose words are moved along a known direction, and on labels that nothing in them follows.
 */
import { describe, expect, it } from 'vitest';
import { testRunner } from '../../../test/runner.ts';
import type { Outcome } from '../../core/index.ts';
import { random } from '../../core/random.ts';
import { readSafetensorsBytes } from '../../network/checkpoint/index.ts';
import { dataOf } from '../method.ts';
import { probe } from './probe.ts';

const runner = testRunner();
const value = ({ measures }: Outcome, name: string): number => measures.find((one) => one.name === name)!.value;
const { calibration, demo } = probe;
const cases = 'none' in calibration ? [] : calibration.cases(random(1));
const given = async (name: string) => await cases.find((each) => each.name.startsWith(name))!.given(random('test'));

describe('a property along a direction', () => {
  it('is read, and no control reads as much', async () => {
    const planted = await given('labels along a direction');
    const outcome = await runner.outcome(probe, demo.params, planted);
    expect(value(outcome, 'AUROC on test texts')).toBeGreaterThan(0.9);
    // Phi(1.5) = 0.933 is what the best line reaches.
    expect(value(outcome, 'accuracy on test texts')).toBeGreaterThan(0.8);
    expect(value(outcome, 'AUROC of the difference of means')).toBeGreaterThan(0.9);
    expect(value(outcome, 'selectivity')).toBeGreaterThan(0.15);
    for (const control of [
      'with permuted labels',
      'on an untrained model',
      'from the words alone',
      'on the control task',
    ]) {
      expect(Math.abs(value(outcome, `accuracy ${control}`) - 0.5), control).toBeLessThan(0.2);
    }
    const kept = readSafetensorsBytes(await runner.store.artefacts.get(outcome.products!['probe']!));
    expect(kept.tensors.get('weights')!.shape).toEqual([18]);
  });

  it('is judged on another kind of texts where some are given', async () => {
    const planted = await given('labels along a direction');
    const flipped = planted.texts.rows.map((each) => ({
      ...each,
      label: each.label === 1 ? (0 as const) : (1 as const),
    }));
    const outcome = await runner.outcome(probe, demo.params, { ...planted, transfer: dataOf('flipped', flipped) });
    expect(value(outcome, 'AUROC on the other kind of texts')).toBeLessThan(0.15);
  });
});

it('labels that nothing follows are not read', async () => {
  const outcome = await runner.outcome(probe, demo.params, await given('labels of their own'));
  expect(Math.abs(value(outcome, 'AUROC on test texts') - 0.5)).toBeLessThan(0.2);
});

it('words that give the label away say so: the probe reads them, not what the model makes of them', async () => {
  const planted = await given('labels of their own');
  const rows = planted.texts.rows.map((each, i) => ({
    ...each,
    label: i % 2 === 0 ? (0 as const) : (1 as const),
    text: `word${i % 2} ${each.text} word${i % 2}`,
  }));
  const outcome = await runner.outcome(probe, demo.params, { ...planted, texts: dataOf('given away', rows) });
  expect(value(outcome, 'accuracy from the words alone')).toBe(1);
  expect(outcome.caveats!.join()).toContain('the words alone tell as much');
});

it('one cluster in all parts is not enough', async () => {
  const planted = await given('labels along a direction');
  const rows = planted.texts.rows.map((each) => ({ ...each, cluster: 'one template' }));
  await expect(runner.outcome(probe, demo.params, { ...planted, texts: dataOf('one', rows) })).rejects.toThrow(
    /part has 0 texts/,
  );
});
