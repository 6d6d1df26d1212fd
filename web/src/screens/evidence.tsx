/** Evidence: what is known of each instrument, from runs on planted truths, and the arguments that rest on it. */
import type { Measure } from '../../../src/server/types.ts';
import { api, take } from '../api.ts';
import { useLoad } from '../data.ts';
import { Badge, Card, Empty, Failure } from '../parts/basics.tsx';
import { Measures } from '../parts/measures.tsx';
import { Link } from '../route.tsx';
import { whole } from '../words.ts';

export function EvidencePage() {
  const { value, error } = useLoad('instruments', () => take(api.evidence.instruments.$get()));
  const cases = useLoad('cases', () => take(api.runs.$get({ query: { method: 'decide/', limit: 50 } })));
  const known = value?.items.filter(({ state }) => state !== 'none') ?? [];
  const unknown = value?.items.filter(({ state }) => state === 'none') ?? [];
  return (
    <>
      <div className="head">
        <h1>Evidence</h1>
      </div>
      <Failure error={error} />
      <Card title="Arguments">
        {(cases.value?.items.length ?? 0) === 0 ? (
          <p className="faint">
            No safety case yet. <Link href="/start?method=decide/safety-case">Judge one</Link>
          </p>
        ) : (
          <ul>
            {cases.value?.items.map(({ id, spec, status }) => (
              <li key={id}>
                <Link href={`/runs/${id}`} className="mono">
                  {id}
                </Link>{' '}
                {spec.method} <Badge kind={status}>{status}</Badge>
              </li>
            ))}
          </ul>
        )}
      </Card>
      <h2 className="section">Instruments</h2>
      {known.map((item) => (
        <Card
          key={item.id}
          title={`${item.id}: ${item.title}`}
          side={<Badge kind={item.state === 'calibrated' ? 'safe' : 'undetermined'}>{item.state}</Badge>}
        >
          {item.why !== '' && (
            <p className="caveat">{item.why}: a finding of the present code does not rest on this.</p>
          )}
          <Measures measures={item.measures as readonly Measure[]} />
          <details>
            <summary>{whole(item.cases.length)} cases with a planted truth</summary>
            <div className="scroll-x" tabIndex={0} role="region" aria-label="Cases">
              <table>
                <thead>
                  <tr>
                    <th scope="col">Case</th>
                    <th scope="col">Planted</th>
                    <th scope="col">Read</th>
                    <th scope="col">Why</th>
                  </tr>
                </thead>
                <tbody>
                  {item.cases.map((each) => (
                    <tr key={each.name}>
                      <th scope="row">{each.name}</th>
                      <td>{each.truth}</td>
                      <td>
                        <Badge
                          kind={each.reads === null ? 'undetermined' : each.reads === each.truth ? 'safe' : 'breach'}
                        >
                          {each.reads ?? 'undecided'}
                        </Badge>
                      </td>
                      <td>{each.why}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          </details>
        </Card>
      ))}
      {value !== undefined && known.length === 0 && <Empty>No instrument has a kept calibration.</Empty>}
      {unknown.length > 0 && (
        <Card title="Not calibrated">
          <dl className="spec">
            {unknown.map(({ id, why }) => (
              <div key={id}>
                <dt>{id}</dt>
                <dd>{why}</dd>
              </div>
            ))}
          </dl>
        </Card>
      )}
    </>
  );
}

const forms = [
  ['html', 'HTML'],
  ['md', 'Markdown'],
  ['json', 'JSON'],
  ['junit', 'JUnit'],
  ['sarif', 'SARIF'],
] as const;

/** The report of a run: as it would be saved, in a frame that may do nothing. */
export function ReportPanel({ run }: { readonly run: string }) {
  return (
    <Card
      title="Report"
      side={
        <span className="head-actions">
          {forms.map(([form, title]) => (
            <a key={form} className="button" href={`/api/evidence/report?runs=${run}&form=${form}`}>
              {title}
            </a>
          ))}
        </span>
      }
    >
      <iframe
        className="report"
        title={`Report of run ${run}`}
        sandbox=""
        src={`/api/evidence/report?runs=${run}&form=html&shown=1`}
      />
    </Card>
  );
}
