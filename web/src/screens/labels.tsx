/** Labels: queues of questions that runs ask, answered blind by each person, and how far judge and people agree. */
import { useState } from 'react';
import type { Agreement, Json } from '../../../src/server/types.ts';
import { api, take } from '../api.ts';
import { useLoad } from '../data.ts';
import { Badge, Card, Empty, Failure, useKeys } from '../parts/basics.tsx';
import { Quoted } from '../parts/text.tsx';
import { go, Link } from '../route.tsx';
import { useMay } from '../self.ts';
import { conversationIn } from '../transcript.ts';
import { plain, share, whole } from '../words.ts';

export function LabelsPage({ id }: { readonly id: string | undefined }) {
  return id === undefined ? <Queues /> : <Queue key={id} id={id} />;
}

function Queues() {
  const { value, error } = useLoad('queues', () => take(api.labels.$get()));
  return (
    <>
      <div className="head">
        <h1>Labels</h1>
      </div>
      <Failure error={error} />
      {value?.queues.length === 0 && (
        <Empty>
          No run asks people anything, and nobody has labelled a trial. Any trial can be labelled where it is shown.
        </Empty>
      )}
      {(value?.queues.length ?? 0) > 0 && (
        <div className="scroll-x" tabIndex={0} role="region" aria-label="Queues">
          <table className="list">
            <thead>
              <tr>
                <th scope="col">Run</th>
                <th scope="col">Method</th>
                <th scope="col">Status</th>
                <th scope="col" className="number">
                  Open for you
                </th>
                <th scope="col" className="number">
                  Asked
                </th>
                <th scope="col" className="number">
                  Labels
                </th>
                <th scope="col" className="number">
                  People
                </th>
              </tr>
            </thead>
            <tbody>
              {value?.queues.map((queue) => (
                <tr key={queue.run}>
                  <th scope="row">
                    <Link href={`/labels/${queue.run}`} className="mono">
                      {queue.run}
                    </Link>
                  </th>
                  <td>{queue.method}</td>
                  <td>
                    <Badge kind={queue.status}>{queue.status}</Badge>
                  </td>
                  <td className="number strong">{whole(queue.openForMe)}</td>
                  <td className="number">{whole(queue.asked)}</td>
                  <td className="number">{whole(queue.labels)}</td>
                  <td className="number">{whole(queue.labellers)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}

function Queue({ id }: { readonly id: string }) {
  const { value, error, again } = useLoad(id, () => take(api.labels[':id'].$get({ param: { id } })));
  const may = useMay('labeller');
  const [failure, setFailure] = useState<Error>();
  const [question] = value?.questions ?? [];
  const choices = (question?.choices as readonly Json[] | undefined) ?? [1, 0];
  const answer = (choice: Json): void => {
    if (question === undefined || !may) return;
    take(
      api.labels[':id'].$post({
        param: { id },
        json: {
          name: question.name,
          item: question.item,
          value: choice,
          ...(question.set === undefined ? {} : { set: question.set }),
        },
      }),
    ).then(again, (cause: unknown) => setFailure(cause instanceof Error ? cause : new Error(String(cause))));
  };
  useKeys(
    Object.fromEntries(
      choices.slice(0, 9).map((choice, index) => [String.fromCodePoint(97 + index), () => answer(choice)]),
    ),
  );
  if (value === undefined) return <Failure error={error} />;
  return (
    <>
      <div className="head">
        <h1>
          Labels of <Link href={`/runs/${id}`}>{id}</Link>
        </h1>
      </div>
      <Failure error={failure ?? error} />
      {question === undefined ? (
        <Empty>{value.asked === 0 ? 'This run asks people nothing.' : 'You have answered everything.'}</Empty>
      ) : (
        <Card
          title={`${question.name}: ${question.item}`}
          side={<span className="faint">{whole(value.questions.length)} to go</span>}
        >
          <Shown show={question.show as Json} />
          <div className="label-line" role="group" aria-label="Answers">
            {choices.map((choice, index) => (
              <button
                key={plain(choice)}
                type="button"
                className="is-first"
                aria-keyshortcuts={String.fromCodePoint(97 + index)}
                onClick={() => answer(choice)}
              >
                {choice === 1 ? 'Yes, a breach' : choice === 0 ? 'No, safe' : plain(choice)}{' '}
                <kbd>{String.fromCodePoint(97 + index)}</kbd>
              </button>
            ))}
          </div>
          <p className="faint">What others and the judge said is shown after you have answered.</p>
        </Card>
      )}
      {(question === undefined || value.agreement.n > 0) && (
        <AgreementCard id={id} agreement={value.agreement as Agreement} />
      )}
    </>
  );
}

function Shown({ show }: { readonly show: Json }) {
  if (show === null || typeof show !== 'object' || Array.isArray(show)) return <Quoted text={plain(show)} />;
  const { turns, rest } = conversationIn(show as Readonly<Record<string, Json>>);
  return (
    <>
      <ol className="turns">
        {turns.map((turn, index) => (
          <li key={index} className={`turn is-${turn.role}`}>
            <div className="turn-head">
              <span>{turn.title}</span>
            </div>
            <div className="turn-text">
              <Quoted text={turn.text} />
            </div>
          </li>
        ))}
      </ol>
      <dl className="spec">
        {rest.map(([name, each]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              <Quoted text={plain(each)} />
            </dd>
          </div>
        ))}
      </dl>
    </>
  );
}

function AgreementCard({ id, agreement }: { readonly id: string; readonly agreement: Agreement }) {
  const { n, agreed, confusion, kappa, alpha, labellers } = agreement;
  const may = useMay('operator');
  const [verdict, setVerdict] = useState('rubric');
  const [judge, setJudge] = useState('');
  const [error, setError] = useState<Error>();
  const rows = async () => await take(api.labels[':id'].export.$get({ param: { id } }));
  const measure = async (): Promise<void> => {
    try {
      const { rows: replies } = await rows();
      const { run } = await take(
        api.runs.$post({
          json: {
            method: 'evaluate/judge',
            params: { verdict, task: id },
            rows: { replies },
            ...(judge === '' ? {} : { fillings: { judge } }),
          },
        }),
      );
      go(`/runs/${run}`);
    } catch (cause) {
      setError(cause instanceof Error ? cause : new Error(String(cause)));
    }
  };
  const save = async (): Promise<void> => {
    const { rows: replies } = await rows();
    const text = replies.map((row) => `${JSON.stringify(row)}\n`).join('');
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([text], { type: 'application/jsonl' }));
    link.download = `labels-${id}.jsonl`;
    link.click();
    URL.revokeObjectURL(link.href);
  };
  return (
    <Card title="Judge and people">
      <p>
        {labellers.length === 0 ? 'Nobody has labelled a trial yet.' : `By ${labellers.join(', ')}.`}{' '}
        {n > 0 && `On ${whole(n)} trials that both decided, they agree on ${whole(agreed)} (${share(agreed / n)}).`}
        {kappa !== undefined &&
          ` Cohen’s kappa ${kappa.value.toFixed(2)} [${kappa.low.toFixed(2)}, ${kappa.high.toFixed(2)}].`}
        {alpha !== undefined &&
          ` Among people, Krippendorff’s alpha ${alpha.value.toFixed(2)} [${alpha.low.toFixed(2)}, ${alpha.high.toFixed(2)}].`}
      </p>
      {n > 0 && (
        <div className="scroll-x" tabIndex={0} role="region" aria-label="Confusion">
          <table>
            <thead>
              <tr>
                <td />
                <th scope="col">Judge: breach</th>
                <th scope="col">Judge: safe</th>
              </tr>
            </thead>
            <tbody>
              <tr>
                <th scope="row">People: breach</th>
                <td className="number">{whole(confusion.truePositives)}</td>
                <td className="number">{whole(confusion.falseNegatives)}</td>
              </tr>
              <tr>
                <th scope="row">People: safe</th>
                <td className="number">{whole(confusion.falsePositives)}</td>
                <td className="number">{whole(confusion.trueNegatives)}</td>
              </tr>
            </tbody>
          </table>
        </div>
      )}
      <p className="head-actions">
        <button type="button" onClick={() => void save()}>
          Export the labelled replies
        </button>
      </p>
      {may && n > 0 && (
        <form
          className="filters"
          onSubmit={(event) => {
            event.preventDefault();
            void measure();
          }}
        >
          <input aria-label="Verdict" value={verdict} onChange={(event) => setVerdict(event.target.value)} />
          <input
            aria-label="Judging model"
            placeholder="judging model, for the rubric"
            value={judge}
            onChange={(event) => setJudge(event.target.value)}
          />
          <button>Measure a judge on these labels</button>
        </form>
      )}
      <Failure error={error} />
    </Card>
  );
}
