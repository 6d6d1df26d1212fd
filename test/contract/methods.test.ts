/**
 * What every method of the catalogue must do, run on each: its demonstration twice with equal outcome, once interrupted
 * and resumed with equal outcome, an outcome that survives storing, flags that do not collide, and cases of both kinds
 * to calibrate it on.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import type { Json } from '../../src/core/index.ts';
import { checkedFigure, random } from '../../src/core/index.ts';
import { addMethodFlags, paramFlags, roleFlag } from '../../src/cli/method-flags.ts';
import { catalogue } from '../../src/methods/index.ts';
import type { AnyMethod } from '../../src/methods/method.ts';
import { families } from '../../src/methods/method.ts';
import { openStore } from '../../src/store/index.ts';
import { families as houseFamilies } from '../house/rules.ts';
import { runMethod } from '../../src/workbench/run.ts';
import { testRunner } from '../runner.ts';

const runner = testRunner();

async function demoOutcome(method: AnyMethod, replicateSeed: string): Promise<Json> {
  const { run: _, ...outcome } = await runner.outcome(method, method.demo.params as object, await method.demo.given(), {
    seed: replicateSeed,
  });
  return JSON.parse(JSON.stringify(outcome)) as Json;
}

it('the catalogue has the families of the house, and each id once', () => {
  expect(families).toEqual(houseFamilies);
  const ids = catalogue.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
});

describe.each(catalogue.map((method) => [method.id, method] as const))('%s', (_, method) => {
  it('has flags that do not collide, and a description for each', () => {
    const command = new Command();
    addMethodFlags(command, method);
    const flags = [
      ...paramFlags(method).map(({ flag }) => flag),
      ...Object.keys(method.needs).map((role) => roleFlag(method, role)),
    ];
    expect(new Set(flags).size).toBe(flags.length);
    expect(paramFlags(method).filter(({ about }) => about === '')).toEqual([]);
  });

  it('gives its demonstration the same outcome twice, and whatever the concurrency', async () => {
    const first = await demoOutcome(method, 'contract');
    const again = await runner.outcome(method, method.demo.params as object, await method.demo.given(), {
      seed: 'contract',
      replicate: 0,
      concurrency: 1,
    });
    expect(JSON.parse(JSON.stringify({ ...again, run: undefined }))).toEqual(first);

    // The same seed in another store, one trial at a time: no order, no clock, no store is in a figure.
    const folder = mkdtempSync(join(tmpdir(), 'fiducial-contract-'));
    const store = await openStore({ address: folder });
    try {
      const fresh = await runMethod(method, method.demo.params as object, await method.demo.given(), {
        store,
        seed: 'contract',
        concurrency: 1,
      });
      expect(fresh).toMatchObject({ status: 'done', isReplay: false });
      if (fresh.status === 'done') expect(JSON.parse(JSON.stringify(fresh.outcome))).toEqual(first);
    } finally {
      await store.close();
      rmSync(folder, { recursive: true });
    }
  });

  it('interrupted and resumed, ends with that outcome', async () => {
    const whole = await demoOutcome(method, 'interrupted');
    const folder = mkdtempSync(join(tmpdir(), 'fiducial-contract-'));
    const store = await openStore({ address: folder });
    try {
      const given = await method.demo.given();
      let stops = 0;
      // Each leg is stopped after one more piece of progress than the last, so that stops fall all over the run.
      for (let leg = 1; leg <= 50; leg++) {
        const control = new AbortController();
        let ticks = 0;
        const result = await runMethod(method, method.demo.params as object, given, {
          store,
          seed: 'interrupted',
          concurrency: 2,
          signal: control.signal,
          onProgress: () => {
            if (++ticks > leg) control.abort();
          },
        });
        if (result.status === 'done') {
          expect(stops).toBeGreaterThan(0);
          expect(JSON.parse(JSON.stringify(result.outcome))).toEqual(whole);
          return;
        }
        stops++;
      }
      throw new Error('the demonstration did not end in 50 legs');
    } finally {
      await store.close();
      rmSync(folder, { recursive: true });
    }
  });

  it('gives measures whose parts agree, and figures that can be drawn', async () => {
    const {
      measures,
      figures = [],
      findings,
    } = await runner.outcome(method, method.demo.params as object, await method.demo.given(), { seed: 'contract' });
    for (const { value, low, high, n, bounds } of measures) {
      expect(low).toBeLessThanOrEqual(value);
      expect(high).toBeGreaterThanOrEqual(value);
      expect(n).toBeGreaterThan(0);
      if (bounds !== undefined) expect(Math.min(...bounds)).toBeLessThanOrEqual(Math.max(...bounds));
    }
    for (const figure of figures) expect(() => checkedFigure(figure)).not.toThrow();
    expect(new Set(findings.map(({ id }) => id)).size).toBe(findings.length);
  });

  it('has cases with and without what it looks for, or says why not; calibrations.test.ts runs a sample of them', () => {
    if ('none' in method.calibration) {
      expect(method.calibration.none).not.toBe('');
      return;
    }
    const cases = method.calibration.cases(random(1));
    expect(new Set(cases.map(({ truth }) => truth))).toEqual(new Set(['present', 'absent']));
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
  });
});
