/**
 * Kept calibrations: none is stale (the method's code and every organism are those that were measured), every method
 * that can be calibrated has one, and a small sample of each is measured again here and reads the same.
 */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { catalogue } from '../../src/methods/index.ts';
import { random } from '../../src/core/random.ts';
import { calibrate, organismsHash } from '../../src/workbench/calibrate.ts';
import { codeHash } from '../../src/workbench/identity.ts';
import { readCalibration, shippedCalibrations } from '../../src/workbench/kept-calibrations.ts';
import { testRunner } from '../runner.ts';

const runner = testRunner();
const calibrated = catalogue.filter(({ calibration }) => !('none' in calibration));

it('there is a calibration of each method that has cases, and of no other', () => {
  const files = readdirSync(fileURLToPath(shippedCalibrations), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.replace(/\.json$/, ''));
  expect(files.sort()).toEqual(calibrated.map(({ id }) => id).sort());
});

describe.each(calibrated.map((method) => [method.id, method] as const))('%s', (id, method) => {
  it('is calibrated at this code and on these organisms (else: fiducial calibrate <method> --save)', async () => {
    const kept = readCalibration(id);
    expect(kept).toMatchObject({ method: id, code: codeHash(method) });
    expect(kept!.organisms).toBe(await organismsHash(method, kept!.seed));
  });

  it('reads a sample of its cases as it did', async () => {
    const kept = readCalibration(id)!;
    const order = random(`sample ${kept.code}`).shuffle(kept.cases.map((_, index) => index));
    const sample = (['present', 'absent'] as const).map((truth) => order.find((i) => kept.cases[i]!.truth === truth)!);
    const again = await calibrate(method, { store: runner.store, seed: kept.seed, only: (i) => sample.includes(i) });
    expect(again.kept.cases).toEqual(kept.cases.filter((_, i) => sample.includes(i)));
  });
});
