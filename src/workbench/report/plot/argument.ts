/**
 * Graphs as SVG in the outlines of Goal Structuring Notation: goals are boxes, strategies slanted, solutions circles,
 * contexts round. Arrows go from above to below.
 *
 * A node's level is its longest way from a root (Sugiyama's first step); within a level nodes stand in the order of the
 * mean place of what points at them (the barycentre rule), two sweeps. What stands aside is drawn with a broken arrow on
 * the level of what it belongs to.
 */
import type { Graph, GraphNode } from '../../../core/figures.ts';
import { element, type Markup } from '../markup.ts';
import { px } from './styles.ts';
import { cut, wrapped } from './text.ts';

const box = { width: 168, height: 84, gapX: 22, gapY: 46 };

interface Placed {
  readonly node: GraphNode;
  readonly x: number;
  readonly y: number;
}

/** The drawing's size and contents. */
export function drawGraph(graph: Graph, id: string): { width: number; height: number; body: Markup[] } {
  const levels = ordered(graph, levelsOf(graph));
  const widest = Math.max(1, ...levels.map((level) => level.length));
  const width = Math.max(320, widest * (box.width + box.gapX) + box.gapX);
  const places = new Map<string, Placed>();
  levels.forEach((level, depth) => {
    const start = (width - level.length * (box.width + box.gapX) + box.gapX) / 2;
    level.forEach((node, i) => {
      places.set(node.id, { node, x: start + i * (box.width + box.gapX), y: 14 + depth * (box.height + box.gapY) });
    });
  });
  const height = 28 + levels.length * (box.height + box.gapY) - box.gapY;
  const arrow = element(
    'marker',
    { id: `${id}-arrow`, viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, orient: 'auto' },
    element('path', { d: 'M0 0L8 4L0 8z', fill: '#333' }),
  );
  return {
    width,
    height,
    body: [
      element('defs', {}, arrow),
      ...graph.edges.flatMap(({ from, to, isAside, label }) =>
        drawEdge(places.get(from)!, places.get(to)!, isAside === true, label, id),
      ),
      ...[...places.values()].flatMap(drawNode),
    ],
  };
}

/** Nodes by level. A cycle would have no level: its nodes stay where the walk first met them. */
function levelsOf({ nodes, edges }: Graph): GraphNode[][] {
  const level = new Map(nodes.map(({ id }) => [id, 0]));
  const below = edges.filter(({ isAside }) => isAside !== true);
  for (let round = 0; round < nodes.length; round++) {
    let isSettled = true;
    for (const { from, to } of below) {
      const least = level.get(from)! + 1;
      if (level.get(to)! >= least || least >= nodes.length) continue;
      level.set(to, least);
      isSettled = false;
    }
    if (isSettled) break;
  }
  for (const { from, to, isAside } of edges) {
    if (isAside === true && !below.some((edge) => edge.to === to)) level.set(to, level.get(from)!);
  }
  const out: GraphNode[][] = [];
  for (const node of nodes) (out[level.get(node.id)!] ??= []).push(node);
  return Array.from(out, (nodesOfLevel) => nodesOfLevel ?? []);
}

function ordered({ edges }: Graph, levels: GraphNode[][]): GraphNode[][] {
  const place = new Map<string, number>();
  const remember = (level: readonly GraphNode[]): void =>
    level.forEach(({ id }, i) => place.set(id, (i + 0.5) / level.length));
  levels.forEach(remember);
  for (let sweep = 0; sweep < 2; sweep++) {
    for (const level of levels) {
      const centre = new Map(
        level.map(({ id }) => {
          const above = edges.filter(({ to }) => to === id).map(({ from }) => place.get(from)!);
          return [id, above.length === 0 ? place.get(id)! : above.reduce((sum, each) => sum + each, 0) / above.length];
        }),
      );
      level.sort((a, b) => centre.get(a.id)! - centre.get(b.id)!);
      remember(level);
    }
  }
  return levels;
}

function drawEdge(from: Placed, to: Placed, isAside: boolean, label: string | undefined, id: string): Markup[] {
  const isLevel = from.y === to.y;
  const isRight = to.x > from.x;
  const [x1, y1] = isLevel
    ? [from.x + (isRight ? box.width : 0), from.y + box.height / 2]
    : [from.x + box.width / 2, from.y + box.height];
  const [x2, y2] = isLevel ? [to.x + (isRight ? 0 : box.width), to.y + box.height / 2] : [to.x + box.width / 2, to.y];
  const middle = (y1 + y2) / 2;
  const d = isLevel
    ? `M${px(x1)} ${px(y1)}L${px(x2)} ${px(y2)}`
    : `M${px(x1)} ${px(y1)}C${px(x1)} ${px(middle)} ${px(x2)} ${px(middle)} ${px(x2)} ${px(y2)}`;
  return [
    element('path', {
      d,
      fill: 'none',
      stroke: '#333',
      'stroke-width': 1.3,
      'stroke-dasharray': isAside ? '5 4' : undefined,
      'marker-end': `url(#${id}-arrow)`,
    }),
    ...(label === undefined
      ? []
      : [
          element(
            'text',
            { x: px((x1 + x2) / 2 + 4), y: px(middle), 'font-size': 10, fill: '#333' },
            cut(label, 150, 10),
          ),
        ]),
  ];
}

function drawNode({ node, x, y }: Placed): Markup[] {
  const { width, height } = box;
  const outline = {
    fill: '#fff',
    stroke: '#111',
    'stroke-width': node.state === 'holds' ? 2 : 1.4,
    'stroke-dasharray': node.state === 'open' || node.state === 'refuted' ? '6 4' : undefined,
  };
  const tip = element('title', {}, `${headOf(node)}: ${node.text}`);
  const shape = {
    box: element('rect', { x: px(x), y: px(y), width, height, ...outline }, tip),
    round: element('rect', { x: px(x), y: px(y), width, height, rx: 26, ...outline }, tip),
    circle: element(
      'ellipse',
      { cx: px(x + width / 2), cy: px(y + height / 2), rx: width / 2, ry: height / 2, ...outline },
      tip,
    ),
    slanted: element(
      'path',
      { d: `M${px(x + 14)} ${px(y)}h${width - 14}l-14 ${height}h${14 - width}z`, ...outline },
      tip,
    ),
  }[node.shape];
  const inner = node.shape === 'box' ? width - 14 : width - 44;
  const lines = wrapped(node.text, inner, 10.5, 4);
  const first = y + height / 2 - lines.length * 6.5 + 4;
  const centred = { x: px(x + width / 2), 'text-anchor': 'middle' };
  return [
    shape,
    element(
      'text',
      { ...centred, y: px(first - 3), 'font-size': 9.5, 'font-weight': 'bold', fill: '#111' },
      cut(headOf(node), inner, 9.5),
    ),
    ...lines.map((line, i) =>
      element('text', { ...centred, y: px(first + 10 + i * 13), 'font-size': 10.5, fill: '#111' }, line),
    ),
    ...(node.state === 'refuted'
      ? [
          element('path', {
            d: `M${px(x + width - 22)} ${px(y + 6)}l14 14m0 -14l-14 14`,
            stroke: '#111',
            'stroke-width': 2,
          }),
        ]
      : []),
  ];
}

function headOf({ kind, state }: GraphNode): string {
  return state === undefined ? kind : `${kind} · ${state}`;
}
