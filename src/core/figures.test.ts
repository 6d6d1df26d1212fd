/** Figures are refused where whatever draws them would fail or mislead. */
import { expect, it } from 'vitest';
import { checkedFigure } from './figures.ts';
import type { Graph, Matrix, Plot } from './figures.ts';

const plot: Plot = {
  kind: 'plot',
  title: 'Loss',
  caption: 'Loss falls.',
  x: { label: 'step', scale: 'linear' },
  y: { label: 'loss', scale: 'log' },
  series: [{ name: 'train', mark: 'line', points: [{ x: 0, y: 3, low: 2, high: 4 }] }],
};
const matrix: Matrix = {
  kind: 'matrix',
  title: 'Attention',
  caption: 'Head 1 looks back.',
  rows: ['a', 'b'],
  columns: ['c'],
  values: [[1], [null]],
  colours: 'sequential',
};
const graph: Graph = {
  kind: 'graph',
  title: 'Argument',
  caption: 'One claim on one piece of evidence.',
  nodes: [
    { id: 'G1', kind: 'goal', text: 'It holds', shape: 'box', state: 'holds' },
    { id: 'E1', kind: 'solution', text: 'a run', shape: 'circle', state: 'open' },
  ],
  edges: [{ from: 'G1', to: 'E1' }],
};
const withPoint = (point: Plot['series'][number]['points'][number]): Plot => ({
  ...plot,
  series: [{ name: 'train', mark: 'line', points: [point] }],
});

it('passes sound figures through', () => {
  expect(checkedFigure(plot)).toBe(plot);
  expect(checkedFigure(matrix)).toBe(matrix);
  expect(checkedFigure(graph)).toBe(graph);
});

it.each([
  ['NaN', withPoint({ x: 0, y: Number.NaN })],
  ['log axis', withPoint({ x: 0, y: 0 })],
  ['log axis', withPoint({ x: 0, y: 1, low: -1 })],
  ['linear axis', withPoint({ x: 'zero', y: 1 })],
  ['rows', { ...matrix, rows: ['a'] }],
  ['cells', { ...matrix, values: [[1], []] }],
  ['no node', { ...graph, edges: [{ from: 'G1', to: 'E2' }] }],
  ['two nodes', { ...graph, nodes: [...graph.nodes, graph.nodes[0]!] }],
  ['caption', { ...plot, caption: '' }],
])('refuses a figure for its %s', (named, figure) => {
  expect(() => checkedFigure(figure)).toThrowError(
    expect.objectContaining({ code: 'figures.bad-figure', message: expect.stringContaining(named) as string }),
  );
});
