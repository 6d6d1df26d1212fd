/**
 * Submits the method of `every-word.ts` and waits, or runs it here, and prints what came of it as JSON. A process of its
 * own, because a method outside of the catalogue's files is known by the text of its code, which a test runner rewrites.
 * Argument: a JSON value `{ how, address, fillings, params, seed, shared }`.
 */
import type { Given, Needs } from '../../src/methods/method.ts';
import { openStore } from '../../src/store/index.ts';
import { readOutcome } from '../../src/workbench/figures.ts';
import { openGiven } from '../../src/workbench/open-models.ts';
import { runMethod } from '../../src/workbench/run.ts';
import { type SharedOptions, submit } from '../../src/workbench/worker/index.ts';
import { everyWord } from './every-word.ts';

export interface Order {
  readonly how: 'workers' | 'alone';
  readonly address: string;
  readonly fillings: Readonly<Record<string, string>>;
  readonly params: object;
  readonly seed: number;
  readonly shared?: SharedOptions;
}

const { how, address, fillings, params, seed, shared } = JSON.parse(process.argv[2]!) as Order;
let id: string;
let result: unknown;
if (how === 'workers') {
  const submitted = await submit(everyWord, params, fillings, {
    address,
    seed,
    ...(shared === undefined ? {} : { shared }),
  });
  id = submitted.run;
  result = await submitted.wait();
} else {
  const store = await openStore({ address });
  const given = (await openGiven(everyWord, fillings)) as Given<Needs>;
  const { run, status } = await runMethod(everyWord, params, given, { store, seed });
  id = run.id;
  result = { status };
  await store.close();
}
const store = await openStore({ address });
const stored = await readOutcome(await store.run(id));
await store.close();
console.log(JSON.stringify({ run: id, result, outcome: stored?.outcome }));
