/**
 * What every method of the catalogue must do, run on each: its demonstration twice with equal outcome, once interrupted
 * and resumed with equal outcome, an outcome that survives storing, flags that do not collide, and its calibration's
 * cases read as their planted truth says.
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
import { calibrate } from '../../src/workbench/calibrate.ts';
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

  it('reads its calibration as it was planted', async () => {
    if ('none' in method.calibration) {
      expect(method.calibration.none).not.toBe('');
      return;
    }
    const truths = new Map(method.calibration.cases(random(1)).map(({ name, truth }) => [name, truth]));
    expect(new Set(truths.values())).toEqual(new Set(['present', 'absent']));
    // A sample: the first few of each truth. The whole is `fiducial calibrate`, and its result is kept.
    const taken = new Map<string, number>();
    const only = (_: number, name: string): boolean => {
      const truth = truths.get(name) ?? '';
      taken.set(truth, (taken.get(truth) ?? 0) + 1);
      return taken.get(truth)! <= 3;
    };
    const { cases } = await calibrate(method, { store: runner.store, seed: 'calibration', only });
    for (const each of cases) {
      const name = each.item.replace(/#\d+$/, '');
      expect(each).toMatchObject({ status: 'measured', value: truths.get(name) === 'present' ? 1 : 0 });
    }
  });
});
