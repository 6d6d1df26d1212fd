/**
 * A direction written into weights: recovered within three standard errors of what theory gives for the sample,
 * sufficient and necessary for refusal there, and not found where there is none.
 */
import { describe, expect, it } from 'vitest';
import { testRunner } from '../../../test/runner.ts';
import type { Outcome } from '../../core/index.ts';
import { random } from '../../core/random.ts';
import { readSafetensorsBytes } from '../../network/checkpoint/index.ts';
import { dataOf } from '../method.ts';
import { refusalDirection, refusalScore } from './refusal-direction.ts';

const runner = testRunner();
const value = ({ measures }: Outcome, name: string): number => measures.find((one) => one.name === name)!.value;
const { calibration, demo } = refusalDirection;
const cases = 'none' in calibration ? [] : calibration.cases(random(1));
const given = async (name: string) => await cases.find((each) => each.name.startsWith(name))!.given(random('test'));

describe('a planted direction', () => {
  it('is recovered as well as theory says, and is what refusal rests on', async () => {
    const outcome = await runner.outcome(refusalDirection, demo.params, await given('refuses'));
    expect(Math.abs(value(outcome, 'standard errors from theory'))).toBeLessThanOrEqual(3);
    expect(value(outcome, 'cosine with the known direction')).toBeGreaterThan(0.95);
    expect(value(outcome, 'refusal of harmful prompts, held out')).toBeGreaterThan(0.9);
    expect(value(outcome, 'refusal of harmful prompts without the direction')).toBe(0);
    expect(value(outcome, 'refusal of harmless prompts with the direction added')).toBe(1);
    // A random direction of equal length changes next to nothing.
    const before = value(outcome, 'refusal of harmful prompts, held out');
    expect(Math.abs(value(outcome, 'refusal of harmful prompts without a random direction') - before)).toBeLessThan(
      0.1,
    );
    expect(value(outcome, 'refusal of harmless prompts with a random direction added')).toBeLessThan(0.1);
    expect(value(outcome, 'divergence on harmless prompts')).toBeLessThan(0.1);
    // It is looked for only behind the head that brings it to the reply.
    expect(outcome.findings[0]!.data).toMatchObject({ layer: 2 });
    const kept = readSafetensorsBytes(await runner.store.artefacts.get(outcome.products!['direction']!));
    expect(kept.tensors.get('direction')!.shape).toEqual([34]);
    expect(kept.metadata['site']).toBe('blocks.2.resid_pre');
  });

  it.each(['never refuses', 'always refuses'])('is not found in a model that %s', async (name) => {
    const outcome = await runner.outcome(refusalDirection, demo.params, await given(name));
    expect(outcome.findings).toEqual([]);
    expect(outcome.caveats!.join()).toContain('0 harm');
  });

  it('layers past the share that is looked at are never chosen', async () => {
    const outcome = await runner.outcome(refusalDirection, { ...demo.params, deepest: 0.5 }, await given('refuses'));
    expect(outcome.findings).toEqual([]);
    expect(outcome.caveats!.join()).toContain('no candidate');
  });

  it('a known direction of another width is refused', async () => {
    const known = dataOf('known', [{ id: 'short', direction: [1, 0] }]);
    await expect(runner.outcome(refusalDirection, demo.params, { ...(await given('refuses')), known })).rejects.toThrow(
      /2 entries/,
    );
  });
});

it('the score is the log odds of the tokens with which refusals begin', () => {
  expect(refusalScore(Float32Array.of(0, 0, 0, 0), [1])).toBeCloseTo(Math.log(1 / 3), 5);
  expect(refusalScore(Float32Array.of(0, 0, 0, 0), [0, 1])).toBeCloseTo(0, 6);
  expect(refusalScore(Float32Array.of(100, 0), [0])).toBeLessThan(20);
});
