/** An argument as a graph in GSN's outlines, and as an outline in words. */
import type { Graph } from '../../core/figures.ts';
import { type CaseDefeater, type CaseNode, type State, topGoals } from './nodes.ts';

const shapes = {
  goal: 'box',
  strategy: 'slanted',
  solution: 'circle',
  context: 'round',
  assumption: 'round',
  justification: 'round',
} as const;

/** The graph; doubts stand aside from what they are about. */
export function graphOf(
  nodes: readonly CaseNode[],
  doubts: readonly CaseDefeater[],
  states: ReadonlyMap<string, State>,
): Graph {
  const ids = new Set(nodes.map(({ id }) => id));
  const known = doubts.filter(({ against }) => ids.has(against));
  const first = new Map(nodes.map((each) => [each.id, each]));
  return {
    kind: 'graph',
    title: 'The argument',
    caption:
      'Claims are boxes, strategies slanted, evidence circles. A broken outline is open; a cross marks what is refuted.',
    nodes: [
      ...[...first.values()].map(({ id, kind, text }) => ({
        id,
        kind,
        text: `${id}: ${text}`,
        shape: shapes[kind],
        ...(shapes[kind] === 'round' ? {} : { state: states.get(id)!.state }),
      })),
      ...known.map(({ id, text, status }) => ({
        id: `doubt ${id}`,
        kind: status === 'accepted' || status === 'confirmed' ? `doubt, ${status}` : 'doubt',
        text,
        shape: 'round' as const,
        ...(status === 'refuted' || status === 'open' ? { state: status } : {}),
      })),
    ],
    edges: [
      ...[...first.values()].flatMap(({ id, supportedBy = [], inContextOf = [] }) => [
        ...supportedBy.filter((to) => ids.has(to)).map((to) => ({ from: id, to })),
        ...inContextOf.filter((to) => ids.has(to)).map((to) => ({ from: id, to, isAside: true })),
      ]),
      ...known.map(({ id, against }) => ({ from: against, to: `doubt ${id}`, isAside: true, label: 'doubted' })),
    ],
  };
}

/** The same as Markdown, from the top claims down. */
export function outline(
  nodes: readonly CaseNode[],
  doubts: readonly CaseDefeater[],
  states: ReadonlyMap<string, State>,
): string {
  const byId = new Map(nodes.map((each) => [each.id, each]));
  const flat = (text: string): string =>
    text.replaceAll(/\s+/g, ' ').replaceAll(/[<>[\]`*_#|\\]/g, (mark) => `\\${mark}`);
  const lines: string[] = ['# Safety case', ''];
  const write = (id: string, depth: number, path: readonly string[]): void => {
    const here = byId.get(id);
    if (here === undefined || path.includes(id)) return;
    const { state, why } = states.get(id)!;
    lines.push(
      `${'  '.repeat(depth)}- **${here.kind} ${flat(id)}** (${state}) ${flat(here.text)}${why[0] === undefined ? '' : `: ${flat(why[0])}`}`,
    );
    for (const each of doubts)
      if (each.against === id) lines.push(`${'  '.repeat(depth + 1)}- doubt, ${each.status}: ${flat(each.text)}`);
    for (const other of [...(here.inContextOf ?? []), ...(here.supportedBy ?? [])])
      write(other, depth + 1, [...path, id]);
  };
  for (const { id } of topGoals(nodes)) write(id, 0, []);
  return `${lines.join('\n')}\n`;
}
