/** Measures as a table: value, interval drawn on one scale, n, and what was not measured. */
import type { Measure } from '../../../src/server/types.ts';
import { figure, whole } from '../words.ts';

export function Measures({ measures }: { readonly measures: readonly Measure[] }) {
  return (
    <div className="scroll-x" tabIndex={0} role="region" aria-label="Measures">
      <table>
        <thead>
          <tr>
            <th scope="col">Measure</th>
            <th scope="col" className="number">
              Value
            </th>
            <th scope="col">Interval</th>
            <th scope="col" className="number">
              n
            </th>
            <th scope="col">Not measured</th>
            <th scope="col">Corrected for the judge</th>
          </tr>
        </thead>
        <tbody>
          {measures.map((each) => (
            <tr key={each.name}>
              <th scope="row">
                {each.name}{' '}
                <span className="faint">{each.better === 'down' ? 'lower is better' : 'higher is better'}</span>
              </th>
              <td className="number strong">{figure(each.value, each.unit)}</td>
              <td>
                <Interval measure={each} />
                <span className="faint">
                  {figure(each.low, each.unit)} to {figure(each.high, each.unit)} ({Math.round(100 * each.confidence)}{' '}
                  %)
                </span>
              </td>
              <td className="number">{whole(each.n)}</td>
              <td>{unmeasured(each)}</td>
              <td>
                {each.corrected === undefined
                  ? 'not corrected'
                  : `${figure(each.corrected.value, each.unit)} (${figure(each.corrected.low, each.unit)} to ${figure(each.corrected.high, each.unit)})`}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function unmeasured({ undetermined = 0, errors = 0, bounds, unit }: Measure): string {
  const words = [];
  if (undetermined > 0) {
    const range =
      bounds === undefined
        ? ''
        : `, so ${[...bounds]
            .sort((a, b) => a - b)
            .map((x) => figure(x, unit))
            .join(' to ')}`;
    words.push(`${whole(undetermined)} undetermined${range}`);
  }
  if (errors > 0) words.push(`${whole(errors)} errors`);
  return words.join('; ') || 'none';
}

/** A share's interval between 0 and 1; of other units there is no common scale. */
function Interval({ measure: { value, low, high, unit, bounds } }: { readonly measure: Measure }) {
  if (unit !== 'share') return null;
  const x = (at: number): number => 2 + 116 * Math.max(0, Math.min(1, at));
  return (
    <svg className="interval" viewBox="0 0 120 14" aria-hidden="true">
      <line x1="2" x2="118" y1="7" y2="7" className="axis" />
      {bounds !== undefined && (
        <line x1={x(Math.min(...bounds))} x2={x(Math.max(...bounds))} y1="11" y2="11" className="bounds" />
      )}
      <line x1={x(low)} x2={x(high)} y1="7" y2="7" className="range" />
      <circle cx={x(value)} cy="7" r="3.5" className="dot" />
    </svg>
  );
}
