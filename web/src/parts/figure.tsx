/**
 * A figure of a method drawn from its data: plots, heat maps, tables. The caption says it in words, and the numbers are
 * there as a table for whoever cannot see the picture.
 */
import { useId, useState } from 'react';
import type { Axis, Figure as FigureData, Matrix, Plot, Point, Table } from '../../../src/server/types.ts';
import { GraphView } from './graph.tsx';

export function Figure({ figure }: { readonly figure: FigureData }) {
  return (
    <figure>
      <figcaption>
        <strong>{figure.title}</strong> {figure.caption}
      </figcaption>
      {figure.kind === 'plot' && <PlotView plot={figure} />}
      {figure.kind === 'matrix' && <MatrixView matrix={figure} />}
      {figure.kind === 'table' && <TableView table={figure} />}
      {figure.kind === 'graph' && <GraphView graph={figure} />}
    </figure>
  );
}

const size = { width: 640, height: 320, left: 60, right: 16, top: 12, bottom: 46 };

interface Scale {
  readonly place: (value: number | string) => number;
  readonly ticks: readonly { readonly at: number; readonly text: string }[];
}

function PlotView({ plot }: { readonly plot: Plot }) {
  const clip = useId();
  const points = plot.series.flatMap((series) => series.points);
  const x = scaleOf(
    plot.x,
    points.map((point) => point.x),
    size.left,
    size.width - size.right,
  );
  const y = scaleOf(
    plot.y,
    points.flatMap((point) => [point.y, point.low ?? point.y, point.high ?? point.y]),
    size.height - size.bottom,
    size.top,
  );
  const bars = plot.series.filter(({ mark }) => mark === 'bar');
  return (
    <>
      <svg
        viewBox={`0 0 ${size.width} ${size.height}`}
        className="plot"
        role="img"
        aria-label={`${plot.title}. ${plot.caption}`}
      >
        <clipPath id={clip}>
          <rect
            x={size.left - 6}
            y={size.top - 6}
            width={size.width - size.left - size.right + 12}
            height={size.height - size.top - size.bottom + 12}
          />
        </clipPath>
        {y.ticks.map(({ at, text }) => (
          <g key={text}>
            <line x1={size.left} x2={size.width - size.right} y1={at} y2={at} className="grid" />
            <text x={size.left - 8} y={at + 4} textAnchor="end">
              {text}
            </text>
          </g>
        ))}
        {x.ticks.map(({ at, text }) => (
          <text key={text} x={at} y={size.height - size.bottom + 18} textAnchor="middle">
            {text}
          </text>
        ))}
        <line
          x1={size.left}
          x2={size.width - size.right}
          y1={size.height - size.bottom}
          y2={size.height - size.bottom}
          className="axis"
        />
        <text
          x={(size.left + size.width - size.right) / 2}
          y={size.height - 8}
          textAnchor="middle"
          className="axis-name"
        >
          {nameOf(plot.x)}
        </text>
        <text
          transform={`translate(14 ${(size.top + size.height - size.bottom) / 2}) rotate(-90)`}
          textAnchor="middle"
          className="axis-name"
        >
          {nameOf(plot.y)}
        </text>
        <g clipPath={`url(#${clip})`}>
          {plot.series.map((series, index) => (
            <g
              key={series.name}
              className={series.isReference === true ? 'series is-reference' : `series is-${index % 6}`}
            >
              {(series.mark === 'line' || series.mark === 'step') && (
                <Line points={series.points} x={x} y={y} isStep={series.mark === 'step'} />
              )}
              {series.points.map((point, i) => (
                <Mark
                  key={i}
                  point={point}
                  x={x}
                  y={y}
                  series={series.name}
                  bar={
                    series.mark === 'bar'
                      ? { index: bars.indexOf(series), of: bars.length, slots: new Set(points.map((p) => p.x)).size }
                      : undefined
                  }
                />
              ))}
            </g>
          ))}
        </g>
      </svg>
      <ul className="legend">
        {plot.series.map((series, index) => (
          <li key={series.name} className={series.isReference === true ? 'is-reference' : `is-${index % 6}`}>
            {series.name}
          </li>
        ))}
      </ul>
      <Numbers
        columns={['series', nameOf(plot.x), nameOf(plot.y), 'low', 'high']}
        rows={plot.series.flatMap(({ name, points }) =>
          points.map((p) => [name, p.x, p.y, p.low ?? null, p.high ?? null]),
        )}
      />
    </>
  );
}

function Line({
  points,
  x,
  y,
  isStep,
}: {
  readonly points: readonly Point[];
  readonly x: Scale;
  readonly y: Scale;
  readonly isStep: boolean;
}) {
  const path = points
    .map((point, i) => {
      const [px, py] = [x.place(point.x), y.place(point.y)];
      if (i === 0) return `M${px} ${py}`;
      return isStep ? `H${px}V${py}` : `L${px} ${py}`;
    })
    .join('');
  return <path d={path} className="line" />;
}

function Mark({
  point,
  x,
  y,
  series,
  bar,
}: {
  readonly point: Point;
  readonly x: Scale;
  readonly y: Scale;
  readonly series: string;
  readonly bar: { index: number; of: number; slots: number } | undefined;
}) {
  const [px, py] = [x.place(point.x), y.place(point.y)];
  const said =
    point.label ??
    `${series}: ${point.x}, ${short(point.y)}${point.low === undefined ? '' : ` [${short(point.low)}, ${short(point.high ?? point.y)}]`}`;
  const width =
    bar === undefined
      ? 0
      : Math.min(48, (0.7 * (size.width - size.left - size.right)) / Math.max(1, bar.slots) / bar.of);
  const at = bar === undefined ? px : px + (bar.index - (bar.of - 1) / 2) * width;
  return (
    <g>
      <title>{said}</title>
      {bar === undefined ? (
        <circle cx={px} cy={py} r="4" className="dot" />
      ) : (
        <rect
          x={at - width / 2}
          y={Math.min(py, y.place(0))}
          width={width * 0.92}
          height={Math.abs(y.place(0) - py)}
          className="bar"
        />
      )}
      {point.low !== undefined && point.high !== undefined && (
        <line x1={at} x2={at} y1={y.place(point.low)} y2={y.place(point.high)} className="error" />
      )}
    </g>
  );
}

function scaleOf(axis: Axis, values: readonly (number | string)[], from: number, to: number): Scale {
  if (axis.scale === 'category') {
    const names = [...new Set(values.map(String))];
    const place = (value: number | string): number =>
      from + ((names.indexOf(String(value)) + 0.5) * (to - from)) / Math.max(1, names.length);
    const every = Math.ceil(names.length / 12);
    return {
      place,
      ticks: names
        .filter((_, i) => i % every === 0)
        .map((text) => ({ at: place(text), text: text.length > 16 ? `${text.slice(0, 15)}…` : text })),
    };
  }
  const numbers = values.filter((value) => typeof value === 'number');
  const isLog = axis.scale === 'log';
  const warp = isLog ? Math.log10 : (value: number): number => value;
  let [low, high] = axis.range ?? [Math.min(...numbers), Math.max(...numbers)];
  if (numbers.length === 0 && axis.range === undefined) [low, high] = [isLog ? 1 : 0, isLog ? 10 : 1];
  if (low === high) [low, high] = isLog ? [low / 2, high * 2] : [low - 0.5, high + 0.5];
  const place = (value: number | string): number =>
    from + ((warp(Number(value)) - warp(low)) / (warp(high) - warp(low))) * (to - from);
  return { place, ticks: ticksOf(low, high, isLog).map((value) => ({ at: place(value), text: short(value) })) };
}

function ticksOf(low: number, high: number, isLog: boolean): number[] {
  if (isLog) {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
      for (const factor of Math.log10(high / low) > 3 ? [1] : [1, 2, 5]) {
        const value = factor * 10 ** power;
        if (value >= low * 0.999 && value <= high * 1.001) found.push(value);
      }
    }
    return found;
  }
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-6; value += step)
    found.push(Number(value.toPrecision(12)));
  return found;
}

function nameOf({ label, unit }: Axis): string {
  return unit === undefined ? label : `${label} (${unit})`;
}

function short(value: number): string {
  return Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-3)
    ? value.toExponential(1)
    : String(Number(value.toPrecision(3)));
}

function MatrixView({ matrix }: { readonly matrix: Matrix }) {
  const all = matrix.values.flat().filter((value) => value !== null);
  const least = Math.min(...all);
  const most = Math.max(...all);
  const reach = Math.max(Math.abs(least), Math.abs(most)) || 1;
  const level = (value: number): number =>
    matrix.colours === 'diverging' ? value / reach : (value - least) / (most - least || 1);
  return (
    <div className="scroll-x" tabIndex={0} role="region" aria-label={matrix.title}>
      <table className="matrix">
        <thead>
          <tr>
            <td />
            {matrix.columns.map((column, i) => (
              <th key={i} scope="col">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {matrix.rows.map((row, r) => (
            <tr key={r}>
              <th scope="row">{row}</th>
              {matrix.values[r]!.map((value, c) => (
                <td key={c} className="number" style={value === null ? {} : heat(level(value), matrix.colours)}>
                  {value === null ? '–' : short(value)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A background for a value from 0 to 1 (or -1 to 1), behind text that stays readable in both themes. */
export function heat(level: number, colours: 'sequential' | 'diverging' = 'sequential'): { background: string } {
  const strength = Math.round(55 * Math.min(1, Math.abs(level)));
  const colour = colours === 'diverging' && level < 0 ? 'var(--heat-below)' : 'var(--heat-above)';
  return { background: `color-mix(in oklab, ${colour} ${strength}%, transparent)` };
}

function TableView({ table }: { readonly table: Table }) {
  return (
    <div className="scroll-x" tabIndex={0} role="region" aria-label={table.title}>
      <table>
        <thead>
          <tr>
            {table.columns.map(({ label, unit }, i) => (
              <th key={i} scope="col">
                {unit === undefined ? label : `${label} (${unit})`}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {table.rows.map((row, r) => (
            <tr key={r}>
              {row.map((cell, c) => (
                <td key={c} className={typeof cell === 'number' ? 'number' : ''}>
                  {cell === null ? '–' : typeof cell === 'number' ? short(cell) : cell}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const mostNumbers = 500;

function Numbers({
  columns,
  rows,
}: {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number | null)[])[];
}) {
  const [isOpen, setIsOpen] = useState(false);
  return (
    <details className="numbers" onToggle={(event) => setIsOpen(event.currentTarget.open)}>
      <summary>Numbers</summary>
      {isOpen && (
        <TableView
          table={{
            kind: 'table',
            title: 'Numbers',
            caption: '',
            columns: columns.map((label) => ({ label })),
            rows: rows.slice(0, mostNumbers),
          }}
        />
      )}
      {isOpen && rows.length > mostNumbers && (
        <p className="faint">
          The first {mostNumbers} of {rows.length}.
        </p>
      )}
    </details>
  );
}
