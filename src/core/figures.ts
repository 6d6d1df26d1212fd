/**
 * A figure as data: what is plotted against what, in which marks, with which units; not how a library draws it. The
 * screens and the report turn it into ECharts; a terminal may turn the same into text. Follows the grammar of graphics
 * in small: axes, and series of points with an optional interval.
 */
import { FiducialError, show } from './errors.ts';

export type Figure = Plot | Matrix | Table | Graph;

/** One axis. A `category` axis takes text, the others numbers. */
export interface Axis {
  readonly label: string;
  readonly unit?: string;
  readonly scale: 'linear' | 'log' | 'category';
  readonly range?: readonly [number, number];
}

/** A point; `low` and `high` draw its interval. */
export interface Point {
  readonly x: number | string;
  readonly y: number;
  readonly low?: number;
  readonly high?: number;
  /** What a reader sees on pointing at it. */
  readonly label?: string;
}

export interface Series {
  readonly name: string;
  readonly mark: 'line' | 'point' | 'bar' | 'step';
  readonly points: readonly Point[];
  /** A reference (chance, a sham treatment) is drawn quietly. */
  readonly isReference?: boolean;
}

/** Points, lines and bars on two axes. */
export interface Plot {
  readonly kind: 'plot';
  readonly title: string;
  /** What to see in it, one sentence, also read aloud in place of the picture. */
  readonly caption: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
}

/** A heat map: `values[row][column]`, null where nothing was measured. */
export interface Matrix {
  readonly kind: 'matrix';
  readonly title: string;
  readonly caption: string;
  readonly rows: readonly string[];
  readonly columns: readonly string[];
  readonly values: readonly (readonly (number | null)[])[];
  readonly unit?: string;
  /** `diverging` has its middle at 0. */
  readonly colours: 'sequential' | 'diverging';
}

export interface Table {
  readonly kind: 'table';
  readonly title: string;
  readonly caption: string;
  readonly columns: readonly { readonly label: string; readonly unit?: string }[];
  readonly rows: readonly (readonly (string | number | null)[])[];
}

/** A node of a graph. */
export interface GraphNode {
  readonly id: string;
  /** What kind of thing it is, in a word that stands above its text: `goal`, `strategy`, `feature`. */
  readonly kind: string;
  readonly text: string;
  /** Goal Structuring Notation's outlines: goals are boxes, strategies slanted, solutions circles, contexts round. */
  readonly shape: 'box' | 'slanted' | 'circle' | 'round';
  /** Drawn in the outline's line: `open` is broken, `refuted` is broken and crossed. Absent where nothing is claimed. */
  readonly state?: 'holds' | 'open' | 'refuted';
}

/** Nodes and arrows from above to below. */
export interface Graph {
  readonly kind: 'graph';
  readonly title: string;
  readonly caption: string;
  readonly nodes: readonly GraphNode[];
  /** `isAside`: a context or an objection, drawn beside and broken instead of below. */
  readonly edges: readonly {
    readonly from: string;
    readonly to: string;
    readonly label?: string;
    readonly isAside?: boolean;
  }[];
}

/**
 * The figure itself, after checks that anything which draws it would need: finite numbers, matching sizes, text on
 * category axes only, no zero on a logarithmic one, arrows between nodes that exist.
 *
 * @throws FiducialError `figures.bad-figure` that names the offending value.
 * @example
 * checkedFigure({ kind: 'plot', title: 'Loss', caption: 'Loss falls.', x: { label: 'step', scale: 'linear' },
 *   y: { label: 'loss', scale: 'log' }, series: [{ name: 'train', mark: 'line', points: [{ x: 0, y: 3 }] }] });
 */
export function checkedFigure<F extends Figure>(figure: F): F {
  const fault = faultOf(figure);
  if (fault !== undefined) {
    throw new FiducialError(
      'figures.bad-figure',
      `${show(figure.title)}: ${fault}`,
      'Correct the method that made it.',
    );
  }
  return figure;
}

function faultOf(figure: Figure): string | undefined {
  if (figure.caption === '') return 'the caption is empty';
  if (figure.kind === 'plot') {
    for (const { name, points } of figure.series) {
      for (const point of points) {
        const fault = faultOfPoint(figure, point);
        if (fault !== undefined) return `series ${show(name)}: ${fault}`;
      }
    }
    return undefined;
  }
  if (figure.kind === 'graph') return faultOfGraph(figure);
  const rows: readonly (readonly unknown[])[] = figure.kind === 'matrix' ? figure.values : figure.rows;
  if (figure.kind === 'matrix' && rows.length !== figure.rows.length) {
    return `${rows.length} rows of values for ${figure.rows.length} names`;
  }
  for (const [i, row] of rows.entries()) {
    if (row.length !== figure.columns.length)
      return `row ${i} has ${row.length} cells for ${figure.columns.length} columns`;
    const bad = row.find((cell) => typeof cell === 'number' && !Number.isFinite(cell));
    if (bad !== undefined) return `row ${i} holds ${show(bad)}`;
  }
  return undefined;
}

function faultOfGraph({ nodes, edges }: Graph): string | undefined {
  const ids = new Set<string>();
  for (const { id } of nodes) {
    if (ids.has(id)) return `two nodes have the id ${show(id)}`;
    ids.add(id);
  }
  const lost = edges.flatMap(({ from, to }) => [from, to]).find((end) => !ids.has(end));
  return lost === undefined ? undefined : `an arrow points at ${show(lost)}, which is no node`;
}

function faultOfPoint(plot: Plot, point: Point): string | undefined {
  if ((typeof point.x === 'string') !== (plot.x.scale === 'category')) {
    return `x = ${show(point.x)} on a ${plot.x.scale} axis`;
  }
  for (const [axis, value] of [
    [plot.x, point.x],
    [plot.y, point.y],
    [plot.y, point.low],
    [plot.y, point.high],
  ] as const) {
    if (typeof value !== 'number') continue;
    if (!Number.isFinite(value)) return `${axis.label} = ${show(value)}`;
    if (axis.scale === 'log' && value <= 0) return `${axis.label} = ${value} on a log axis`;
  }
  return undefined;
}
