/** One run: how far it is, what it found, its trials; live while it goes on. */
import { useEffect, useState } from 'react';
import type { Finding, Outcome, RunInfo } from '../../../src/server/types.ts';
import { api, take } from '../api.ts';
import { useLive, useLoad, useThrottled } from '../data.ts';
import { Badge, Card, Dialog, Empty, Failure, Field, Tabs } from '../parts/basics.tsx';
import { Figure } from '../parts/figure.tsx';
import { Measures } from '../parts/measures.tsx';
import { Quoted } from '../parts/text.tsx';
import { go, Link, useRoute, withQuery } from '../route.tsx';
import { useMay } from '../self.ts';
import { duration, money, plain, when, whole } from '../words.ts';
import { ReportPanel } from './evidence.tsx';
import { TrialsPanel } from './trials.tsx';

export function RunPage({ id }: { readonly id: string }) {
  const { query } = useRoute();
  const tab = query.get('tab') ?? 'overview';
  const layer = query.get('layer') ?? '';
  const { value, error, again } = useLoad(`${id} ${layer}`, () =>
    take(api.runs[':id'].$get({ param: { id }, query: { layer: layer === '' ? undefined : layer } })),
  );
  const [version, setVersion] = useState(0);
  const refresh = useThrottled(() => {
    again();
    setVersion((n) => n + 1);
  }, 1_000);
  const from = value?.info.lastSeq;
  const [since] = useState(() => ({ seq: undefined as number | undefined }));
  since.seq ??= from;
  const isLive = useLive(since.seq === undefined ? undefined : `/api/runs/${id}/live?after=${since.seq}`, refresh);
  // A run that has just ended is let go of a moment later, and no event tells of that.
  const isLettingGo = value?.isHere === true && !isGoingOn(value.info.status);
  useEffect(() => {
    if (!isLettingGo) return;
    const timer = setInterval(again, 1_000);
    return () => clearInterval(timer);
  }, [isLettingGo, again]);
  if (value === undefined) return error === undefined ? <Empty>Loading …</Empty> : <Failure error={error} />;

  const info = value.info as RunInfo;
  const trials = info.trials.measured + info.trials.undetermined + info.trials.error;
  const set = (changes: Readonly<Record<string, string | undefined>>): void => go(withQuery(query, changes), 'replace');
  const tabs = [
    { id: 'overview', title: 'Overview' },
    { id: 'trials', title: 'Trials', count: trials },
    ...(value.outcome === undefined ? [] : [{ id: 'report', title: 'Report' }]),
    { id: 'details', title: 'Details' },
  ];
  return (
    <>
      <div className="head">
        <div>
          <h1>
            {info.spec.method} <span className="mono faint">{info.id}</span>
          </h1>
          <p>
            <Badge kind={info.status}>{info.status}</Badge> {info.reason !== undefined && <Quoted text={info.reason} />}{' '}
            <span className="faint">
              begun {when(info.createdAtMs)}
              {isLive && info.status === 'running' ? ', live' : ''}
            </span>
          </p>
        </div>
        <Actions info={info} isHere={value.isHere} worker={value.worker} onDone={refresh} />
      </div>
      <Failure error={error} />
      <Progress info={info} progress={value.progress} />
      <div className="tab-line">
        <Tabs
          label="Parts of the run"
          tabs={tabs}
          current={tab}
          onPick={(picked) => set({ tab: picked === 'overview' ? undefined : picked })}
        />
        {value.layers.length > 0 && (
          <label className="inline">
            Read by{' '}
            <select value={layer} onChange={(event) => set({ layer: event.target.value })}>
              <option value="">the run’s own judge</option>
              {value.layers.map(({ name }) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        )}
      </div>
      {tab === 'trials' ? (
        <TrialsPanel
          run={info}
          model={targetOf(info, value.asked)}
          layer={layer}
          sets={value.sets}
          derived={value.derived}
          version={version}
        />
      ) : tab === 'report' ? (
        <ReportPanel run={info.id} />
      ) : tab === 'details' ? (
        <Details info={info} value={value} />
      ) : (
        <Overview
          outcome={value.outcome as Outcome | undefined}
          leftOut={value.leftOut}
          info={info}
          openQuestions={value.openQuestions}
        />
      )}
    </>
  );
}

function Actions({
  info,
  isHere,
  worker,
  onDone,
}: {
  readonly info: RunInfo;
  readonly isHere: boolean;
  readonly worker: string | undefined;
  readonly onDone: () => void;
}) {
  const may = useMay('operator');
  const [error, setError] = useState<Error>();
  const [isBusy, setIsBusy] = useState(false);
  const [isRescoring, setIsRescoring] = useState(false);
  if (!may) return null;
  const act = (call: () => Promise<unknown>): void => {
    setIsBusy(true);
    setError(undefined);
    call()
      .catch((cause: unknown) => setError(cause instanceof Error ? cause : new Error(String(cause))))
      .finally(() => {
        setIsBusy(false);
        onDone();
      });
  };
  const { id } = info;
  const isGoing = isHere || worker !== undefined;
  return (
    <div className="head-actions">
      {isGoing && isGoingOn(info.status) && (
        <button
          type="button"
          disabled={isBusy}
          onClick={() => act(() => take(api.runs[':id'].stop.$post({ param: { id } })))}
        >
          Stop
        </button>
      )}
      {!isGoing && info.status !== 'done' && info.spec.parent === undefined && (
        <button
          type="button"
          className="is-first"
          disabled={isBusy}
          onClick={() => act(() => take(api.runs[':id'].resume.$post({ param: { id } })))}
        >
          Resume
        </button>
      )}
      {info.status === 'done' && (
        <button type="button" onClick={() => setIsRescoring(true)}>
          Rescore
        </button>
      )}
      <Failure error={error} />
      {isRescoring && <Rescore id={id} onClose={() => setIsRescoring(false)} onDone={onDone} />}
    </div>
  );
}

function Rescore({
  id,
  onClose,
  onDone,
}: {
  readonly id: string;
  readonly onClose: () => void;
  readonly onDone: () => void;
}) {
  const [verdict, setVerdict] = useState('rubric');
  const [judge, setJudge] = useState('');
  const [isAuthorised, setIsAuthorised] = useState(false);
  const [error, setError] = useState<Error>();
  const send = async (): Promise<void> => {
    try {
      await take(
        api.runs[':id'].rescore.$post({
          param: { id },
          json: { verdict, isAuthorised, ...(judge === '' ? {} : { judge }) },
        }),
      );
      onDone();
      onClose();
    } catch (cause) {
      setError(cause instanceof Error ? cause : new Error(String(cause)));
    }
  };
  return (
    <Dialog title="Another judge over the same transcripts" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        <Field label="Verdict" about="rubric, contains:<text>, matches:<pattern> or complies">
          {(ids) => <input {...ids} required value={verdict} onChange={(event) => setVerdict(event.target.value)} />}
        </Field>
        <Field label="Judging model" about="An address or a name of the configuration; needed for the rubric">
          {(ids) => <input {...ids} value={judge} onChange={(event) => setJudge(event.target.value)} />}
        </Field>
        <label className="inline">
          <input type="checkbox" checked={isAuthorised} onChange={(event) => setIsAuthorised(event.target.checked)} /> I
          may send these transcripts to a host that is not this machine
        </label>
        <Failure error={error} />
        <p>
          <button className="is-first">Rescore</button>
        </p>
      </form>
    </Dialog>
  );
}

function Progress({
  info,
  progress,
}: {
  readonly info: RunInfo;
  readonly progress:
    | {
        readonly done: number;
        readonly of: number;
        readonly note: string;
        readonly errors: number;
        readonly msLeft?: number | undefined;
        readonly moneyLeft?: number | undefined;
      }
    | undefined;
}) {
  const { usage, trials } = info;
  const isDone = info.status === 'done';
  const facts = [
    ['Measured', whole(trials.measured)],
    ['Undetermined', whole(trials.undetermined)],
    ['Errors', whole(trials.error)],
    ['Calls', whole(usage.calls)],
    ['Tokens in', whole(usage.inputTokens)],
    ['Tokens out', whole(usage.outputTokens)],
    ['Cost', money(usage.costUsd)],
    ...(info.status === 'running' && progress?.msLeft !== undefined ? [['Time left', duration(progress.msLeft)]] : []),
    ...(info.status === 'running' && progress?.moneyLeft !== undefined
      ? [['Cost to come', money(progress.moneyLeft)]]
      : []),
  ];
  return (
    <Card>
      {progress !== undefined && !isDone && (
        <div className="progress">
          <progress max={progress.of} value={progress.done} aria-label="Progress" />
          <span>
            {progress.note === '' ? '' : `${progress.note}: `}
            {whole(progress.done)} of {whole(progress.of)}
          </span>
        </div>
      )}
      <dl className="facts">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </Card>
  );
}

function Overview({
  outcome,
  leftOut,
  info,
  openQuestions,
}: {
  readonly outcome: Outcome | undefined;
  readonly leftOut: readonly string[];
  readonly info: RunInfo;
  readonly openQuestions: number;
}) {
  if (outcome === undefined) {
    return (
      <Empty>
        {openQuestions > 0 ? (
          <>
            It waits for {openQuestions} labels. <Link href={`/labels/${info.id}`}>Label them</Link>
          </>
        ) : info.status === 'running' ? (
          'No outcome yet: the trials show what there is so far.'
        ) : (
          'No outcome. Resume it to bring it to its end.'
        )}
      </Empty>
    );
  }
  return (
    <>
      {outcome.measures.length > 0 && (
        <Card title="Measures">
          <Measures measures={outcome.measures} />
          {leftOut.length > 0 && <p className="faint">Not taken again by this judge: {leftOut.join(', ')}</p>}
          {(outcome.caveats ?? []).map((caveat) => (
            <p key={caveat} className="caveat">
              {caveat}
            </p>
          ))}
        </Card>
      )}
      {(outcome.figures ?? []).map((figure, index) => (
        <Card key={index}>
          <Figure figure={figure} />
        </Card>
      ))}
      {outcome.findings.length > 0 && (
        <Card title={`Findings (${outcome.findings.length})`}>
          <ul className="findings">
            {outcome.findings.slice(0, 200).map((finding) => (
              <FindingRow key={finding.id} finding={finding} run={info.id} />
            ))}
          </ul>
        </Card>
      )}
    </>
  );
}

function FindingRow({ finding, run }: { readonly finding: Finding; readonly run: string }) {
  return (
    <li>
      <Badge kind={finding.severity}>{finding.severity}</Badge>
      <div>
        <strong>
          <Quoted text={finding.title} />
        </strong>
        <div>
          <Quoted text={finding.detail} />
        </div>
        <div className="faint">
          {finding.evidence.map((each, index) => (
            <span key={index}>
              {each.item === undefined ? (
                each.label
              ) : (
                <Link
                  href={`/runs/${run}?tab=trials&item=${encodeURIComponent(each.item)}`}
                >{`${each.label} ${each.item}`}</Link>
              )}
              {each.quote !== undefined && (
                <q>
                  <Quoted text={each.quote} />
                </q>
              )}{' '}
            </span>
          ))}
        </div>
      </div>
    </li>
  );
}

interface DetailValue {
  readonly children: readonly { readonly id: string; readonly method: string; readonly status: string }[];
  readonly kept: readonly {
    readonly name: string;
    readonly ref: string;
    readonly type: string;
    readonly bytes: number;
  }[];
  readonly outcome?: unknown;
}

function Details({ info, value }: { readonly info: RunInfo; readonly value: DetailValue }) {
  const { spec } = info;
  const rows: [string, string][] = [
    ['Method', spec.method],
    ...Object.entries(spec.models).map(([role, model]): [string, string] => [`Model: ${role}`, plain(model)]),
    ['Seed', String(spec.seed)],
    ...(spec.replicate === undefined ? [] : [['Replicate', String(spec.replicate)] as [string, string]]),
    ...Object.entries((spec.params ?? {}) as Record<string, unknown>).map(([name, each]): [string, string] => [
      `Parameter: ${name}`,
      plain(each),
    ]),
    ['Hash of the code', spec.hashes.code],
    ...Object.entries(spec.hashes.weights ?? {}).map(([role, hash]): [string, string] => [
      `Hash of weights: ${role}`,
      hash,
    ]),
    ...Object.entries(spec.hashes.data ?? {}).map(([role, hash]): [string, string] => [`Hash of data: ${role}`, hash]),
  ];
  const products = Object.entries((value.outcome as Outcome | undefined)?.products ?? {});
  return (
    <>
      <Card title="What makes it this run">
        <dl className="spec">
          {rows.map(([name, text]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd className="mono">
                <Quoted text={text} />
              </dd>
            </div>
          ))}
        </dl>
      </Card>
      {(value.kept.length > 0 || products.length > 0) && (
        <Card title="Artefacts">
          <ul>
            {products.map(([name, ref]) => (
              <li key={name}>
                <a href={`/api/artefacts/${ref.slice(7)}`}>{name}</a>{' '}
                <span className="faint mono">{ref.slice(0, 23)}…</span>
              </li>
            ))}
            {value.kept.map(({ name, ref, type, bytes }) => (
              <li key={name}>
                <a href={`/api/artefacts/${ref.slice(7)}`}>{name}</a>{' '}
                <span className="faint">
                  {type}, {whole(bytes)} bytes
                </span>
              </li>
            ))}
          </ul>
        </Card>
      )}
      {value.children.length > 0 && (
        <Card title="Child runs">
          <ul>
            {value.children.map((child) => (
              <li key={child.id}>
                <Link href={`/runs/${child.id}`} className="mono">
                  {child.id}
                </Link>{' '}
                {child.method} <Badge kind={child.status}>{child.status}</Badge>
              </li>
            ))}
          </ul>
        </Card>
      )}
    </>
  );
}

/** The address of the model under test, as far as the run says how it was asked for. */
function targetOf(
  info: RunInfo,
  asked:
    | { readonly isDemo?: boolean | undefined; readonly fillings?: Readonly<Record<string, unknown>> | undefined }
    | undefined,
): string {
  const roles = Object.keys(info.spec.models);
  const role = roles.find((each) => each === 'target' || each === 'model') ?? roles[0];
  if (role === undefined) return '';
  if (asked?.isDemo === true) return `demo:${info.spec.method}#${role}`;
  const filling = asked?.fillings?.[role];
  return typeof filling === 'string' ? filling : '';
}

function isGoingOn(status: string): boolean {
  return status === 'running' || status === 'created';
}
