/** The trials of a run: a list of any length, and beside it the transcript of the one at hand. */
import { useCallback, useEffect, useState } from 'react';
import type { RunInfo, Trial } from '../../../src/server/types.ts';
import { api, take } from '../api.ts';
import { Failure, Outcome } from '../parts/basics.tsx';
import { Rows } from '../parts/rows.tsx';
import { go, useRoute, withQuery } from '../route.tsx';
import { whole } from '../words.ts';
import { TrialView } from './trial.tsx';

export interface TrialsProps {
  readonly run: RunInfo;
  readonly layer: string;
  /** What branches go on against. */
  readonly model: string;
  readonly sets: Readonly<
    Record<string, { readonly measured: number; readonly undetermined: number; readonly error: number }>
  >;
  readonly derived: readonly { readonly kind: string; readonly set: string }[];
  readonly version: number;
}

export function TrialsPanel({ run, layer, model, sets, derived, version }: TrialsProps) {
  const { query } = useRoute();
  const asked = {
    set: query.get('set') ?? '',
    status: query.get('outcome') ?? '',
    text: query.get('find') ?? '',
    order: query.get('order') ?? '',
  };
  const [picked, setPicked] = useState<{
    readonly set: string;
    readonly item: string;
    readonly index: number | undefined;
  }>();
  const [total, setTotal] = useState<number>();
  const [error, setError] = useState<Error>();
  const id = `${run.id} ${layer} ${JSON.stringify(asked)}`;

  const wantedItem = query.get('item');
  useEffect(() => {
    // A link to one item: found by its name, in the set where it is.
    if (wantedItem === null) return;
    const wantedSet = query.get('set');
    take(
      api.runs[':id'].trials.$get({
        param: { id: run.id },
        query: { text: wantedItem, limit: 50, set: wantedSet ?? undefined },
      }),
    ).then(
      ({ items }) => {
        const found = items.find(({ item }) => item === wantedItem);
        if (found !== undefined) setPicked({ set: found.set, item: found.item, index: undefined });
      },
      (cause: unknown) => setError(cause instanceof Error ? cause : new Error(String(cause))),
    );
  }, [run.id, wantedItem]);

  const isBreachOrSafe = asked.status === 'breach' || asked.status === 'safe';
  const load = (offset: number, limit: number) =>
    take(
      api.runs[':id'].trials.$get({
        param: { id: run.id },
        query: {
          offset,
          limit,
          layer: layer === '' ? undefined : layer,
          set: asked.set === '' ? undefined : asked.set,
          text: asked.text === '' ? undefined : asked.text,
          order: asked.order === '' ? undefined : asked.order,
          status: asked.status === '' ? undefined : isBreachOrSafe ? 'measured' : asked.status,
          ...(isBreachOrSafe
            ? { minValue: asked.status === 'breach' ? 1 : 0, maxValue: asked.status === 'breach' ? 1 : 0 }
            : {}),
        },
      }),
    ) as Promise<{ readonly items: readonly Trial[]; readonly total: number }>;
  const set = (changes: Readonly<Record<string, string | undefined>>): void =>
    go(withQuery(query, { item: undefined, ...changes }), 'replace');
  const rates = new Set(derived.filter(({ kind }) => kind === 'rate').map((each) => each.set));
  const isRate = useCallback((name: string) => rates.has(name), [[...rates].join()]);
  const names = Object.keys(sets);
  return (
    <div className={picked === undefined ? 'split' : 'split has-detail'}>
      <div className="split-list">
        <form className="filters" role="search" onSubmit={(event) => event.preventDefault()}>
          <input
            type="search"
            aria-label="Find in item and reason"
            placeholder="Find in item and reason"
            defaultValue={asked.text}
            onChange={(event) => set({ find: event.target.value })}
          />
          {names.length > 1 && (
            <select aria-label="Set" value={asked.set} onChange={(event) => set({ set: event.target.value })}>
              <option value="">Every set</option>
              {names.map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          )}
          <select aria-label="Outcome" value={asked.status} onChange={(event) => set({ outcome: event.target.value })}>
            <option value="">Every outcome</option>
            <option value="breach">breach (1)</option>
            <option value="safe">safe (0)</option>
            <option>measured</option>
            <option>undetermined</option>
            <option>error</option>
          </select>
          <select aria-label="Order" value={asked.order} onChange={(event) => set({ order: event.target.value })}>
            <option value="">As recorded</option>
            <option value="item">By item</option>
            <option value="value">By value</option>
          </select>
          <output className="faint">{total === undefined ? '' : `${whole(total)} trials`}</output>
        </form>
        <Failure error={error} />
        <Rows
          id={id}
          label="Trials"
          version={version}
          rowHeight={44}
          load={load}
          picked={picked?.index}
          onPick={(trial, index) => setPicked({ set: trial.set, item: trial.item, index })}
          onTotal={setTotal}
          onError={setError}
          row={(trial) => (
            <>
              <Outcome trial={trial} isRate={isRate(trial.set)} />
              <span className="row-item">{trial.item}</span>
              {names.length > 1 && <span className="row-set faint">{trial.set}</span>}
              <span className="row-why faint">{(trial.why ?? '').slice(0, 200)}</span>
            </>
          )}
        />
        <p className="faint keys">
          <kbd>↑</kbd> <kbd>↓</kbd> or <kbd>j</kbd> <kbd>k</kbd> in the list move and open, <kbd>b</kbd> labels a
          breach, <kbd>s</kbd> safe
        </p>
      </div>
      {picked !== undefined && (
        <TrialView
          key={`${picked.set} ${picked.item}`}
          run={run}
          model={model}
          set={picked.set}
          item={picked.item}
          isRate={isRate(picked.set)}
          onClose={() => setPicked(undefined)}
        />
      )}
    </div>
  );
}
