/** Runs side by side: paired differences with their intervals, measure by measure and category by category. */
import type { Difference } from '../../../src/server/types.ts';
import { api, take } from '../api.ts';
import { useLoad } from '../data.ts';
import { Badge, Card, Empty, Failure } from '../parts/basics.tsx';
import { Link, useRoute } from '../route.tsx';

export function ComparePage() {
  const { query } = useRoute();
  const runs = query.get('runs') ?? '';
  const { value, error } = useLoad(runs, () =>
    take(api.runs.compare.$get({ query: { runs, layer: query.get('layer') ?? undefined } })),
  );
  return (
    <>
      <div className="head">
        <h1>Comparison</h1>
      </div>
      <Failure error={error} />
      {value === undefined && error === undefined && <Empty>Comparing …</Empty>}
      {value?.against.map((each) => (
        <Card key={each.second} title={`${each.first} → ${each.second}`}>
          <p>
            <Link href={`/runs/${each.first}`}>{each.first}</Link> is before,{' '}
            <Link href={`/runs/${each.second}`}>{each.second}</Link> after. What differs:{' '}
            {each.changed.length === 0 ? 'nothing' : each.changed.join(', ')}.
          </p>
          <Differences rows={each.differences.map((row) => ({ ...row, key: row.name, title: row.name }))} />
          {each.leftOut.length > 0 && (
            <p className="faint">Not compared, because trials alone do not give them: {each.leftOut.join(', ')}</p>
          )}
          {each.categories.length > 0 && (
            <>
              <h3>By category</h3>
              <Differences
                rows={each.categories.map((row) => ({
                  ...row,
                  key: `${row.name} ${row.category}`,
                  title: `${row.category}: ${row.name}`,
                }))}
              />
            </>
          )}
        </Card>
      ))}
      {(value?.against.length ?? 0) > 0 && (
        <p className="faint">
          Intervals of 95 %. p-values are Holm’s over the rows of a table. An interval that just misses zero is not yet
          a difference.
        </p>
      )}
    </>
  );
}

type Row = Omit<Difference, 'low' | 'high'> & {
  readonly low: number | null;
  readonly high: number | null;
  readonly key: string;
  readonly title: string;
};

function Differences({ rows }: { readonly rows: readonly Row[] }) {
  const reach = Math.max(
    0.01,
    ...rows.flatMap(({ value, low, high }) => [Math.abs(value), Math.abs(low ?? value), Math.abs(high ?? value)]),
  );
  const x = (at: number): number => 80 + (76 * Math.max(-reach, Math.min(reach, at))) / reach;
  return (
    <div className="scroll-x" tabIndex={0} role="region" aria-label="Differences">
      <table>
        <thead>
          <tr>
            <th scope="col">Measure</th>
            <th scope="col" className="number">
              Before
            </th>
            <th scope="col" className="number">
              After
            </th>
            <th scope="col" className="number">
              Difference
            </th>
            <th scope="col">Interval</th>
            <th scope="col" className="number">
              p
            </th>
            <th scope="col">Design</th>
            <th scope="col">Says</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.key}>
              <th scope="row">{row.title}</th>
              <td className="number">{show(row.first, row.unit)}</td>
              <td className="number">{show(row.second, row.unit)}</td>
              <td className="number strong">{signed(row.value, row.unit)}</td>
              <td>
                {row.low === null || row.high === null ? (
                  'too few groups'
                ) : (
                  <>
                    <svg className="interval is-wide" viewBox="0 0 160 14" aria-hidden="true">
                      <line x1="4" x2="156" y1="7" y2="7" className="axis" />
                      <line x1="80" x2="80" y1="1" y2="13" className="axis" />
                      <line x1={x(row.low)} x2={x(row.high)} y1="7" y2="7" className="range" />
                      <circle cx={x(row.value)} cy="7" r="3.5" className="dot" />
                    </svg>
                    <span className="faint">
                      {signed(row.low, row.unit)} to {signed(row.high, row.unit)}
                    </span>
                  </>
                )}
              </td>
              <td className="number">{row.adjustedP.toPrecision(2)}</td>
              <td>
                {row.isPaired ? `${row.n} pairs` : `n = ${row.n}`}
                {row.isPaired && row.unpaired > 0 ? `, ${row.unpaired} unpaired` : ''}
                <div className="faint">{row.test}</div>
              </td>
              <td>
                <Verdict row={row} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Verdict({ row }: { readonly row: Row }) {
  if (row.adjustedP >= 0.05 || row.value === 0) return <Badge kind="created">no difference shown</Badge>;
  const isBetter = row.value > 0 === (row.better === 'up');
  return <Badge kind={isBetter ? 'safe' : 'breach'}>{isBetter ? 'better' : 'worse'}</Badge>;
}

function show(value: number, unit: string): string {
  return unit === 'share' ? `${(100 * value).toFixed(1)} %` : String(Number(value.toPrecision(4)));
}

function signed(value: number, unit: string): string {
  const sign = value > 0 ? '+' : '';
  return unit === 'share' ? `${sign}${(100 * value).toFixed(1)} pt` : `${sign}${Number(value.toPrecision(3))}`;
}
