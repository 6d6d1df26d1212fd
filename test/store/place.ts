/** What the store's contract stands on: an empty place for each test, a specification, a call, an opened run. */
import type { CallRecord, Run, RunSpec, Store, StoreOptions } from '../../src/store/index.ts';

/** An empty place for one test. */
export interface Place {
  readonly address: string;
  open(options?: Omit<StoreOptions, 'address'>): Promise<Store>;
}
export type NewPlace = () => Promise<Place>;

export function spec(changes: Partial<RunSpec> = {}): RunSpec {
  return {
    method: 'redteam/pair',
    params: { depth: 3, goal: 'x' },
    models: { target: 'scripted', judge: { id: 'm', temperature: 0 } },
    seed: 7,
    hashes: { code: 'c0de' },
    ...changes,
  };
}

export function call(text: string, changes: Partial<CallRecord> = {}): CallRecord {
  return {
    model: 'm',
    request: { messages: [text] },
    reply: { text: `re: ${text}` },
    inputTokens: 3,
    outputTokens: 5,
    ...changes,
  };
}

/** Opens a store and a run, runs the test, closes. */
export async function withRun(
  place: Place,
  body: (run: Run, store: Store) => Promise<void>,
  options?: Omit<StoreOptions, 'address'>,
) {
  const store = await place.open(options);
  try {
    await body((await store.open(spec())).run, store);
  } finally {
    await store.close();
  }
}
