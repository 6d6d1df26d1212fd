/**
 * A figure as one SVG text and as one table: the same drawing in the report, in the screens and in a file of its own.
 *
 * The SVG names itself for a screen reader (`title`, `desc`), holds no script, no style sheet and no outside reference,
 * and everything that came from data is escaped. A library was weighed and left out: ECharts adds more than a megabyte
 * to draw these four kinds of figure, and does not tell series apart without colour.
 */
import { checkedFigure, type Figure } from '../../../core/figures.ts';
import { element, type Markup, render } from '../markup.ts';
import { drawGraph } from './argument.ts';
import { drawPlot } from './chart.ts';
import { drawMatrix } from './heat-map.ts';
import { figureText } from './scale.ts';

/** A figure as rows of cells, for those who cannot see it and for those who want the numbers. */
export interface FigureTable {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/**
 * The drawing of a figure, as a whole SVG document; undefined for a table, which is drawn as one.
 *
 * @param id letters and digits, unique in the page it goes into
 * @throws FiducialError `figures.bad-figure`
 * @example await writeFile('loss.svg', figureSvg(figure, 'loss') ?? '');
 */
export function figureSvg(figure: Figure, id: string): string | undefined {
  const drawn = drawing(figure, id);
  return drawn === undefined ? undefined : render(drawn);
}

/** The same as markup, to stand inside a page. */
export function drawing(figure: Figure, id: string): Markup | undefined {
  checkedFigure(figure);
  if (figure.kind === 'table') return undefined;
  const { width, height, body } =
    figure.kind === 'plot'
      ? drawPlot(figure, id)
      : figure.kind === 'matrix'
        ? drawMatrix(figure)
        : drawGraph(figure, id);
  return element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      viewBox: `0 0 ${Math.ceil(width)} ${Math.ceil(height)}`,
      width: Math.ceil(width),
      height: Math.ceil(height),
      role: 'img',
      'aria-labelledby': `${id}-title ${id}-desc`,
      'font-family': 'system-ui, sans-serif',
    },
    element('title', { id: `${id}-title` }, figure.title),
    element('desc', { id: `${id}-desc` }, figure.caption),
    element('rect', { width: '100%', height: '100%', fill: '#fff' }),
    body,
  );
}

/** Every number of a figure. */
export function figureTable(figure: Figure): FigureTable {
  if (figure.kind === 'table') {
    return {
      columns: figure.columns.map(({ label, unit }) => (isPlainUnit(unit) ? label : `${label} (${unit})`)),
      rows: figure.rows.map((row) => row.map((cell, i) => cellText(cell, figure.columns[i]!.unit))),
    };
  }
  if (figure.kind === 'matrix') {
    return {
      columns: ['', ...figure.columns],
      rows: figure.rows.map((row, i) => [row, ...figure.values[i]!.map((cell) => cellText(cell, figure.unit))]),
    };
  }
  if (figure.kind === 'graph') {
    const textOf = new Map(figure.nodes.map(({ id, text }) => [id, text]));
    return {
      columns: ['kind', 'text', 'state', 'rests on'],
      rows: figure.nodes.map((node) => [
        node.kind,
        node.text,
        node.state ?? '',
        figure.edges
          .filter(({ from }) => from === node.id)
          .map(({ to, label }) => (label === undefined ? textOf.get(to)! : `${label}: ${textOf.get(to)!}`))
          .join('; '),
      ]),
    };
  }
  const { x, y, series } = figure;
  return {
    columns: ['series', x.label, y.label, 'low', 'high'],
    rows: series.flatMap(({ name, points }) =>
      points.map((point) => [
        point.label === undefined ? name : `${name}, ${point.label}`,
        cellText(point.x, x.unit),
        cellText(point.y, y.unit),
        cellText(point.low ?? null, y.unit),
        cellText(point.high ?? null, y.unit),
      ]),
    ),
  };
}

function isPlainUnit(unit: string | undefined): boolean {
  return unit === undefined || unit === 'share' || unit === 'score';
}

function cellText(cell: string | number | null, unit: string | undefined): string {
  if (cell === null) return '';
  return typeof cell === 'number' ? figureText(cell, unit) : cell;
}
