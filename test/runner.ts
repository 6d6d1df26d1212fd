/**
 * What the test of a method needs: a store in a folder of its own and the real runner. It stands here, because a method
 * may not import the layers above it and its test, which lies beside it, runs it through them.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import type { Outcome, Ref } from '../src/core/index.ts';
import type { Given, Method, Needs } from '../src/methods/method.ts';
import type { OpenModel } from '../src/models/open/index.ts';
import { openStore, type Run, type Store } from '../src/store/index.ts';
import { openModel } from '../src/workbench/open-models.ts';
import { rescore, type Rescored } from '../src/workbench/rescore.ts';
import { runMethod, type RunOptions, type RunResult } from '../src/workbench/run.ts';

export interface TestRunner {
  readonly store: Store;
  run<P, N extends Needs>(
    method: Method<P, N>,
    params: Partial<P>,
    given: Given<N>,
    options?: Omit<RunOptions, 'store'>,
  ): Promise<RunResult>;
  /** The outcome of a run that must come to its end. */
  outcome<P, N extends Needs>(
    method: Method<P, N>,
    params: Partial<P>,
    given: Given<N>,
    options?: Omit<RunOptions, 'store'>,
  ): Promise<Outcome & { readonly run: Run }>;
  /** What a run trained, opened in this process. */
  product(ref: Ref): Promise<OpenModel>;
  /** A finished run read again by a judge that needs no model. */
  rescore(run: Run, verdict: string): Promise<Rescored>;
}

/**
 * A runner for all tests of a file; its store is removed after them.
 *
 * @example
 * const runner = testRunner();
 * it('finds it', async () => expect(await runner.outcome(tap, { depth: 2 }, { target })).toMatchObject({ ... }));
 */
export function testRunner(): TestRunner {
  let folder: string;
  let store: Store;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fiducial-test-'));
    store = await openStore({ address: folder });
  });
  afterAll(async () => {
    await store.close();
    rmSync(folder, { recursive: true });
  });
  return {
    get store() {
      return store;
    },
    product: async (ref) => (await openModel(ref, { store }, 'weights')) as OpenModel,
    rescore: (run, verdict) => rescore(run, verdict, undefined, { store }),
    run: (method, params, given, options) => runMethod(method, params, given, { ...options, store }),
    async outcome(method, params, given, options) {
      const result = await runMethod(method, params, given, { ...options, store });
      if (result.status !== 'done') throw new Error(`${method.id} is ${result.status}: ${result.reason}`);
      return { ...result.outcome, run: result.run };
    },
  };
}
