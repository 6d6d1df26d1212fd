/** The list of runs: filtered, searched, live; picked ones are compared. */
import { useState } from 'react';
import type { RunInfo } from '../../../src/server/types.ts';
import { api, take } from '../api.ts';
import { useLive, useLoad, useThrottled } from '../data.ts';
import { Badge, Empty, Failure, useKeys } from '../parts/basics.tsx';
import { go, Link, useRoute, withQuery } from '../route.tsx';
import { ago, money, when, whole } from '../words.ts';

const pageSize = 50;
const statuses = ['created', 'running', 'waiting', 'stopped', 'failed', 'done'];

export function RunsPage() {
  const { query } = useRoute();
  const asked = {
    method: query.get('method') ?? '',
    status: query.get('status') ?? '',
    text: query.get('text') ?? '',
    page: Math.max(1, Number(query.get('page') ?? '1') || 1),
  };
  const { value, error, again } = useLoad(JSON.stringify(asked), () =>
    take(
      api.runs.$get({
        query: {
          limit: pageSize,
          offset: (asked.page - 1) * pageSize,
          method: asked.method === '' ? undefined : asked.method,
          status: asked.status === '' ? undefined : asked.status,
          text: asked.text === '' ? undefined : asked.text,
        },
      }),
    ),
  );
  const methods = useLoad('methods', () => take(api.methods.$get()));
  useLive('/api/live', useThrottled(again, 1_000));
  const [picked, setPicked] = useState<readonly string[]>([]);
  const [cursor, setCursor] = useState(-1);
  const items = value?.items ?? [];
  const toggle = (id: string): void =>
    setPicked((old) => (old.includes(id) ? old.filter((each) => each !== id) : [...old, id]));
  const move = (to: number): void => {
    const bounded = Math.max(0, Math.min(items.length - 1, to));
    setCursor(bounded);
    document.getElementById(`run-${bounded}`)?.focus();
  };
  useKeys({
    j: () => move(cursor + 1),
    k: () => move(cursor - 1),
    x: () => items[cursor] !== undefined && toggle(items[cursor].id),
    '/': () => document.getElementById('search')?.focus(),
  });
  const set = (changes: Readonly<Record<string, string | undefined>>): void =>
    go(withQuery(query, { page: undefined, ...changes }), 'replace');
  const families = [...new Set((methods.value?.items ?? []).map(({ id }) => `${id.split('/', 1)[0]}/`))];
  const pages = Math.ceil((value?.total ?? 0) / pageSize);
  return (
    <>
      <div className="head">
        <h1>Runs</h1>
        <div className="head-actions">
          <button type="button" disabled={picked.length < 2} onClick={() => go(`/compare?runs=${picked.join(',')}`)}>
            Compare {picked.length > 0 ? picked.length : ''}
          </button>
          <Link href="/start" className="button is-first">
            Start a run
          </Link>
        </div>
      </div>
      <form className="filters" role="search" onSubmit={(event) => event.preventDefault()}>
        <input
          id="search"
          type="search"
          aria-label="Search"
          placeholder="Search id, method, models, parameters  ( / )"
          defaultValue={asked.text}
          onChange={(event) => set({ text: event.target.value })}
        />
        <select aria-label="Method" value={asked.method} onChange={(event) => set({ method: event.target.value })}>
          <option value="">Every method</option>
          {families.map((family) => (
            <optgroup key={family} label={family}>
              <option value={family}>{family} (all)</option>
              {methods.value?.items
                .filter(({ id }) => id.startsWith(family))
                .map(({ id }) => (
                  <option key={id} value={id}>
                    {id}
                  </option>
                ))}
            </optgroup>
          ))}
        </select>
        <select aria-label="Status" value={asked.status} onChange={(event) => set({ status: event.target.value })}>
          <option value="">Every status</option>
          {statuses.map((status) => (
            <option key={status}>{status}</option>
          ))}
        </select>
        <output className="faint">{value === undefined ? '' : `${whole(value.total)} runs`}</output>
      </form>
      <Failure error={error} />
      {value !== undefined && items.length === 0 ? (
        <Empty>
          {asked.text === '' && asked.method === '' && asked.status === '' ? (
            <>
              No run yet. <Link href="/start?method=redteam/best-of-n">Start one</Link>: it needs no key and no network.
            </>
          ) : (
            'No run fits.'
          )}
        </Empty>
      ) : (
        <div className="scroll-x" tabIndex={0} role="region" aria-label="Runs">
          <table className="list">
            <thead>
              <tr>
                <th scope="col">
                  <span className="unsaid">Compare</span>
                </th>
                <th scope="col">Run</th>
                <th scope="col">Method</th>
                <th scope="col">Models</th>
                <th scope="col">Status</th>
                <th scope="col" className="number">
                  Trials
                </th>
                <th scope="col" className="number">
                  Undetermined
                </th>
                <th scope="col" className="number">
                  Errors
                </th>
                <th scope="col" className="number">
                  Calls
                </th>
                <th scope="col" className="number">
                  Cost
                </th>
                <th scope="col">Begun</th>
              </tr>
            </thead>
            <tbody>
              {items.map((info, index) => (
                <Row
                  key={info.id}
                  info={info as RunInfo}
                  index={index}
                  isPicked={picked.includes(info.id)}
                  onToggle={() => toggle(info.id)}
                />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {pages > 1 && (
        <nav className="pages" aria-label="Pages">
          <button type="button" disabled={asked.page <= 1} onClick={() => set({ page: String(asked.page - 1) })}>
            Newer
          </button>
          <span>
            Page {whole(asked.page)} of {whole(pages)}
          </span>
          <button type="button" disabled={asked.page >= pages} onClick={() => set({ page: String(asked.page + 1) })}>
            Older
          </button>
        </nav>
      )}
      <p className="faint keys">
        <kbd>j</kbd> <kbd>k</kbd> move, <kbd>Enter</kbd> opens, <kbd>x</kbd> picks for a comparison, <kbd>/</kbd>{' '}
        searches
      </p>
    </>
  );
}

function Row({
  info,
  index,
  isPicked,
  onToggle,
}: {
  readonly info: RunInfo;
  readonly index: number;
  readonly isPicked: boolean;
  readonly onToggle: () => void;
}) {
  const { id, spec, status, trials, usage, createdAtMs } = info;
  const models = Object.values(spec.models)
    .flat()
    .map((model) => (typeof model === 'string' ? model : JSON.stringify(model)));
  return (
    <tr className={isPicked ? 'is-picked' : ''}>
      <td>
        <input type="checkbox" aria-label={`Compare run ${id}`} checked={isPicked} onChange={onToggle} />
      </td>
      <th scope="row">
        <Link href={`/runs/${id}`} id={`run-${index}`} className="mono">
          {id}
        </Link>
      </th>
      <td>{spec.method}</td>
      <td className="clip" title={models.join(', ')}>
        {models.join(', ')}
      </td>
      <td>
        <Badge kind={status}>{status}</Badge>
      </td>
      <td className="number">{whole(trials.measured + trials.undetermined + trials.error)}</td>
      <td className="number">{trials.undetermined === 0 ? '' : whole(trials.undetermined)}</td>
      <td className="number">{trials.error === 0 ? '' : whole(trials.error)}</td>
      <td className="number">{whole(usage.calls)}</td>
      <td className="number">{money(usage.costUsd)}</td>
      <td title={when(createdAtMs)}>{ago(createdAtMs)}</td>
    </tr>
  );
}
