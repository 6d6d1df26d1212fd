/** A graph of a method as a tree: each node under the first that points to it, and what else points to it in words. */
import { useState } from 'react';
import type { Graph, GraphNode } from '../../../src/server/types.ts';
import { Badge } from './basics.tsx';
import { Quoted } from './text.tsx';
import type { TreeNode } from '../tree-node.ts';
import { Tree } from './tree.tsx';

export function GraphView({ graph }: { readonly graph: Graph }) {
  const [picked, setPicked] = useState<string>();
  const byId = new Map(graph.nodes.map((node) => [node.id, node]));
  const node = picked === undefined ? undefined : byId.get(picked);
  return (
    <>
      <Tree roots={treesOf(graph)} label={graph.title} picked={picked} onPick={setPicked} />
      {node !== undefined && (
        <div className="node-detail" role="region" aria-label={`${node.kind} ${node.id}`}>
          <strong>
            {node.kind} {node.id}
          </strong>{' '}
          {node.state !== undefined && <Badge kind={badges[node.state]}>{node.state}</Badge>}
          <p>
            <Quoted text={node.text} />
          </p>
          <Neighbours
            title="Points to"
            edges={graph.edges.filter(({ from }) => from === node.id).map(({ to, label }) => ({ id: to, label }))}
            byId={byId}
            onPick={setPicked}
          />
          <Neighbours
            title="Pointed at by"
            edges={graph.edges.filter(({ to }) => to === node.id).map(({ from, label }) => ({ id: from, label }))}
            byId={byId}
            onPick={setPicked}
          />
        </div>
      )}
    </>
  );
}

const badges = { holds: 'safe', open: 'undetermined', refuted: 'breach' } as const;
const kinds = { holds: 'held', open: 'open', refuted: 'breach' } as const;

function Neighbours({
  title,
  edges,
  byId,
  onPick,
}: {
  readonly title: string;
  readonly edges: readonly { readonly id: string; readonly label: string | undefined }[];
  readonly byId: ReadonlyMap<string, GraphNode>;
  readonly onPick: (id: string) => void;
}) {
  if (edges.length === 0) return null;
  return (
    <p>
      {title}:{' '}
      {edges.slice(0, 40).map(({ id, label }) => (
        <button key={id} type="button" className="quiet" onClick={() => onPick(id)}>
          {label === undefined ? '' : `${label} `}
          {byId.get(id)?.kind} {id}
        </button>
      ))}
    </p>
  );
}

/** Every node once; a circle is entered where nothing outside points into it. */
export function treesOf(graph: Graph): TreeNode[] {
  const below = new Map<string, string[]>();
  const hasParent = new Set<string>();
  for (const { from, to } of graph.edges) {
    below.set(from, [...(below.get(from) ?? []), to]);
    hasParent.add(to);
  }
  const asides = new Set(graph.edges.filter(({ isAside }) => isAside === true).map(({ to }) => to));
  const byId = new Map(graph.nodes.map((node) => [node.id, node]));
  const seen = new Set<string>();
  const build = (node: GraphNode): TreeNode => {
    seen.add(node.id);
    const children: TreeNode[] = [];
    for (const id of below.get(node.id) ?? []) {
      const child = byId.get(id);
      if (child !== undefined && !seen.has(id)) children.push(build(child));
    }
    const kind = node.state === undefined ? (asides.has(node.id) ? 'pruned' : 'plain') : kinds[node.state];
    return {
      id: node.id,
      title: node.text,
      under: [node.kind, node.id, node.state].filter((word) => word !== undefined).join(', '),
      kind,
      children,
    };
  };
  const roots: TreeNode[] = [];
  for (const node of graph.nodes) if (!hasParent.has(node.id) && !seen.has(node.id)) roots.push(build(node));
  for (const node of graph.nodes) if (!seen.has(node.id)) roots.push(build(node));
  return roots;
}
