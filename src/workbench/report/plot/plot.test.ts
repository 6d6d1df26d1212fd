/** Drawings: where values stand, what a reader without eyes or colour gets, and what is refused. */
import { describe, expect, it } from 'vitest';
import type { Figure, Graph, Matrix, Plot } from '../../../core/figures.ts';
import { wellFormed } from '../well-formed.ts';
import { figureSvg, figureTable } from './index.ts';
import { niceStep, scaleOf } from './scale.ts';
import { styleOf } from './styles.ts';

const plot: Plot = {
  kind: 'plot',
  title: 'Success & <attempts>',
  caption: 'It "grows".',
  x: { label: 'attempts', scale: 'log' },
  y: { label: 'success', scale: 'linear', range: [0, 1], unit: 'share' },
  series: [
    { name: '<b>one</b>', mark: 'line', points: [1, 10, 100].map((x, i) => ({ x, y: i / 2, low: i / 4, high: 1 })) },
    { name: 'two', mark: 'step', points: [1, 10, 100].map((x) => ({ x, y: 0.5 })), isReference: true },
  ],
};
const bars: Plot = {
  ...plot,
  x: { label: 'category', scale: 'category' },
  series: ['before', 'after'].map((name, i) => ({
    name,
    mark: 'bar' as const,
    points: ['a category of a long name', 'b'].map((x) => ({ x, y: 0.6 - i / 2, low: 0, high: 0.9 })),
  })),
};
const matrix: Matrix = {
  kind: 'matrix',
  title: 'Transfer',
  caption: 'Found on rows, tried on columns.',
  rows: ['r'],
  columns: ['c', 'd'],
  values: [[0.25, null]],
  unit: 'share',
  colours: 'sequential',
};
const graph: Graph = {
  kind: 'graph',
  title: 'Case',
  caption: 'One claim.',
  nodes: [
    { id: 'g', kind: 'goal', text: '</text><script>alert(1)</script>', shape: 'box', state: 'holds' },
    { id: 's', kind: 'solution', text: 'a run', shape: 'circle', state: 'refuted' },
    { id: 'c', kind: 'context', text: 'where', shape: 'round', state: 'open' },
  ],
  edges: [
    { from: 'g', to: 's' },
    { from: 'g', to: 'c', isAside: true },
  ],
};

describe('scales', () => {
  it.each([
    // Heckbert (1990), nicenum(x, round): below 1.5 it is 1, below 3 it is 2, below 7 it is 5, else 10.
    [1, 5, 0.2],
    [100, 10, 10],
    [1.4, 1, 1],
    [29, 10, 2],
    [6.9, 1, 5],
    [7.1, 1, 10],
  ])('a span of %f in about %f marks has steps of %f', (span, count, step) => {
    expect(niceStep(span, count)).toBeCloseTo(step, 12);
  });

  it('places values linearly, by powers of ten, and in the middle of bands', () => {
    const linear = scaleOf({ label: 'y', scale: 'linear', range: [0, 2] }, [], 100, 0);
    expect([linear.at(0), linear.at(1), linear.at(2)]).toEqual([100, 50, 0]);
    const log = scaleOf({ label: 'x', scale: 'log' }, [1, 100], 0, 100);
    expect(log.at(10)).toBeCloseTo(50, 10);
    const bands = scaleOf({ label: 'x', scale: 'category' }, ['a', 'b', 'a'], 0, 100);
    expect([bands.at('a'), bands.at('b'), bands.band]).toEqual([25, 75, 50]);
  });

  it('keeps every value inside a found range, equal and negative ones too', () => {
    for (const values of [[3, 3], [-0.2, 0.7], [0], [1e-9, 2e-9], [-5e6, 12]]) {
      const scale = scaleOf({ label: 'y', scale: 'linear' }, values, 0, 200);
      for (const value of values) {
        expect(scale.at(value)).toBeGreaterThanOrEqual(0);
        expect(scale.at(value)).toBeLessThanOrEqual(200);
      }
      expect(scale.ticks.length).toBeGreaterThan(1);
      expect(new Set(scale.ticks.map(({ label }) => label)).size).toBe(scale.ticks.length);
    }
  });
});

describe('drawings', () => {
  const figures: readonly (readonly [string, Figure])[] = [
    ['plot', plot],
    ['bars', bars],
    ['matrix', matrix],
    ['graph', graph],
  ];
  it.each(figures)('a %s is well-formed, names itself, and holds nothing that data could write', (_, figure) => {
    const svg = figureSvg(figure, 'x1')!;
    const { names, attributes } = wellFormed(svg);
    expect([...names].filter((name) => !drawn.has(name))).toEqual([]);
    expect([...attributes].filter((name) => name.startsWith('on') || name === 'href')).toEqual([]);
    expect(svg).toContain('role="img" aria-labelledby="x1-title x1-desc"');
    expect(svg).toMatch(/<title id="x1-title">[^<]+<\/title><desc id="x1-desc">[^<]+<\/desc>/);
  });

  it('tells series apart by dash, mark and hatching alone', () => {
    const looks = [0, 1, 2, 3, 4, 5].map((i) => {
      const { dash, mark, hatch } = styleOf(i);
      return [dash, mark, hatch];
    });
    for (const part of [0, 1, 2]) expect(new Set(looks.map((look) => look[part])).size).toBe(6);
  });

  it('draws an interval where its ends are', () => {
    // The axis of height 250 begins 34 pixels from the top, below a legend of one row.
    const svg = figureSvg(bars, 'x')!;
    expect(svg).toContain(`V${34 + 250 * 0.1}`);
  });

  it('gives every number as a table, and what was not measured as nothing', () => {
    expect(figureTable(plot).rows).toHaveLength(6);
    expect(figureTable(plot).rows[1]).toEqual(['<b>one</b>', '10', '50.0 %', '25.0 %', '100.0 %']);
    expect(figureTable(matrix)).toEqual({ columns: ['', 'c', 'd'], rows: [['r', '25.0 %', '']] });
    expect(figureTable(graph).rows[0]).toEqual(['goal', '</text><script>alert(1)</script>', 'holds', 'a run; where']);
    expect(figureSvg({ ...table, kind: 'table' }, 'x')).toBeUndefined();
    expect(figureTable({ ...table, kind: 'table' })).toEqual({ columns: ['model', 'time (ms)'], rows: [['m', '12']] });
  });

  it('does not draw what is not sound, and does not hang on a circle', () => {
    expect(() => figureSvg({ ...plot, caption: '' }, 'x')).toThrowError(
      expect.objectContaining({ code: 'figures.bad-figure' }),
    );
    const circle: Graph = { ...graph, edges: [...graph.edges, { from: 's', to: 'g' }] };
    expect(wellFormed(figureSvg(circle, 'x')!).names.has('svg')).toBe(true);
  });
});

const table = {
  title: 'Times',
  caption: 'One model.',
  columns: [{ label: 'model' }, { label: 'time', unit: 'ms' }],
  rows: [['m', 12]],
} as const;
const drawn = new Set([
  'svg',
  'title',
  'desc',
  'defs',
  'pattern',
  'marker',
  'rect',
  'path',
  'circle',
  'ellipse',
  'text',
]);
