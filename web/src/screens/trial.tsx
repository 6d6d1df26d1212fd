/** One trial: what was said turn by turn, how each judge read it, its calls, and what people say of it. */
import { useState } from 'react';
import type { Json, RunInfo, Trial } from '../../../src/server/types.ts';
import { api, take } from '../api.ts';
import { leaveBranch } from '../branch.ts';
import { useLoad } from '../data.ts';
import { Badge, Failure, Outcome, useKeys } from '../parts/basics.tsx';
import { Quoted } from '../parts/text.tsx';
import { Tree } from '../parts/tree.tsx';
import { go } from '../route.tsx';
import { useMay, useSelf } from '../self.ts';
import { conversationIn, treeIn, type Turn } from '../transcript.ts';
import { duration, money, plain, whole } from '../words.ts';

export interface TrialProps {
  readonly run: RunInfo;
  readonly model: string;
  readonly set: string;
  readonly item: string;
  readonly isRate: boolean;
  readonly onClose: () => void;
}

export function TrialView({ run, model, set, item, isRate, onClose }: TrialProps) {
  const { value, error, again } = useLoad(`${run.id} ${set} ${item}`, () =>
    take(api.runs[':id'].trial.$get({ param: { id: run.id }, query: { set, item } })),
  );
  const record = value?.transcript?.value as Readonly<Record<string, Json>> | undefined;
  return (
    <article className="split-detail" aria-label={`Trial ${item}`}>
      <div className="card-head">
        <h2>
          {item} <span className="faint">{set}</span>
        </h2>
        <button type="button" className="quiet" onClick={onClose}>
          Close
        </button>
      </div>
      <Failure error={error} />
      {value !== undefined && (
        <>
          <ul className="readings">
            {(value.readings as readonly Trial[]).map((reading) => (
              <li key={reading.layer}>
                <Outcome trial={reading} isRate={isRate} />{' '}
                <span className="faint">{reading.layer === '' ? 'the run’s judge' : reading.layer}</span>{' '}
                {reading.why !== undefined && <Quoted text={reading.why} />}
              </li>
            ))}
          </ul>
          {isRate && <LabelLine run={run.id} set={set} item={item} labels={value.labels} onDone={again} />}
          {value.transcript === undefined && <p className="empty">No transcript was kept for this trial.</p>}
          {value.transcript?.purged === true && <p className="empty">The text of this transcript was purged.</p>}
          {record !== undefined && <Transcript record={record} model={model} />}
          {value.calls.length > 0 && <Calls calls={value.calls} />}
        </>
      )}
    </article>
  );
}

function Transcript({ record, model }: { readonly record: Readonly<Record<string, Json>>; readonly model: string }) {
  const may = useMay('operator');
  const branch = (turns: readonly Turn[]): void => {
    const said = turns.flatMap(({ role, text }) =>
      role === 'goal' || role === 'tool' ? [] : [{ role, content: text }],
    );
    leaveBranch({ model, said });
    go('/playground');
  };
  const [picked, setPicked] = useState<string>();
  const tree = treeIn(record);
  const shown = tree?.records.get(picked ?? '') ?? record;
  const { turns, rest } = conversationIn(shown);
  return (
    <>
      {tree !== undefined && <Tree roots={tree.roots} label="Attack tree" picked={picked} onPick={setPicked} />}
      <ol className="turns">
        {turns.map((turn, index) => (
          <TurnView
            key={index}
            turn={turn}
            onBranch={may && turn.role !== 'goal' ? () => branch(turns.slice(0, index + 1)) : undefined}
          />
        ))}
      </ol>
      {rest.length > 0 && (
        <dl className="spec">
          {rest.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                <Quoted text={plain(value)} />
              </dd>
            </div>
          ))}
        </dl>
      )}
    </>
  );
}

function TurnView({ turn, onBranch }: { readonly turn: Turn; readonly onBranch: (() => void) | undefined }) {
  return (
    <li className={`turn is-${turn.role}`}>
      <div className="turn-head">
        <span>{turn.title}</span>
        {onBranch !== undefined && (
          <button type="button" className="quiet" onClick={onBranch}>
            Branch here
          </button>
        )}
      </div>
      <div className="turn-text">
        <Quoted text={turn.text} />
      </div>
    </li>
  );
}

interface LabelRow {
  readonly name: string;
  readonly labeller: string;
  readonly value: unknown;
  readonly note?: string | undefined;
}

function LabelLine({
  run,
  set,
  item,
  labels,
  onDone,
}: {
  readonly run: string;
  readonly set: string;
  readonly item: string;
  readonly labels: readonly LabelRow[];
  readonly onDone: () => void;
}) {
  const may = useMay('labeller');
  const { name } = useSelf();
  const [error, setError] = useState<Error>();
  const [said, setSaid] = useState('');
  const breaches = labels.filter((label) => label.name === 'breach');
  const mine = breaches.find(({ labeller }) => labeller === name)?.value;
  const label = (value: 0 | 1): void => {
    if (!may) return;
    take(api.labels[':id'].$post({ param: { id: run }, json: { name: 'breach', set, item, value } })).then(
      ({ agreement: { n, agreed, kappa } }) => {
        setSaid(
          `People and judge agree on ${agreed} of ${n}${kappa === undefined ? '' : `, kappa ${kappa.value.toFixed(2)} [${kappa.low.toFixed(2)}, ${kappa.high.toFixed(2)}]`}.`,
        );
        onDone();
      },
      (cause: unknown) => setError(cause instanceof Error ? cause : new Error(String(cause))),
    );
  };
  useKeys({ b: () => label(1), s: () => label(0) });
  return (
    <div className="label-line">
      {may && (
        <>
          <span>You say:</span>
          <button type="button" aria-pressed={mine === 1} aria-keyshortcuts="b" onClick={() => label(1)}>
            Breach
          </button>
          <button type="button" aria-pressed={mine === 0} aria-keyshortcuts="s" onClick={() => label(0)}>
            Safe
          </button>
        </>
      )}
      {breaches
        .filter(({ labeller }) => labeller !== name)
        .map(({ labeller, value }) => (
          <span key={labeller} className="faint">
            {labeller}: {value === 1 ? 'breach' : 'safe'}
          </span>
        ))}
      <output className="faint">{said}</output>
      <Failure error={error} />
    </div>
  );
}

interface CallRow {
  readonly key: string;
  readonly model: string;
  readonly inputTokens?: number | undefined;
  readonly outputTokens?: number | undefined;
  readonly costUsd?: number | undefined;
  readonly latencyMs?: number | undefined;
  readonly attempts?: number | undefined;
  readonly cached?: boolean | undefined;
}

function Calls({ calls }: { readonly calls: readonly CallRow[] }) {
  return (
    <details>
      <summary>
        {whole(calls.length)} calls, {duration(calls.reduce((sum, { latencyMs = 0 }) => sum + latencyMs, 0))}
      </summary>
      <div className="scroll-x" tabIndex={0} role="region" aria-label="Calls">
        <table>
          <thead>
            <tr>
              <th scope="col">Model</th>
              <th scope="col" className="number">
                Tokens in
              </th>
              <th scope="col" className="number">
                Tokens out
              </th>
              <th scope="col" className="number">
                Time
              </th>
              <th scope="col" className="number">
                Cost
              </th>
            </tr>
          </thead>
          <tbody>
            {calls.slice(0, 500).map((call) => (
              <tr key={call.key}>
                <td>
                  {call.model} {call.cached === true && <Badge kind="done">cached</Badge>}
                </td>
                <td className="number">{call.inputTokens === undefined ? '' : whole(call.inputTokens)}</td>
                <td className="number">{call.outputTokens === undefined ? '' : whole(call.outputTokens)}</td>
                <td className="number">{call.latencyMs === undefined ? '' : duration(call.latencyMs)}</td>
                <td className="number">{call.costUsd === undefined ? '' : money(call.costUsd)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}
