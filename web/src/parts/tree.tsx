/**
 * A tree laid out from left to right: attack trees with what was pruned, arguments with their evidence. Nodes are
 * buttons in reading order, so that the keyboard walks them; the lines between are only drawn.
 */
import { type ReactNode } from 'react';
import type { TreeNode } from '../tree-node.ts';

const box = { width: 210, height: 64, gapX: 46, gapY: 14 };

interface Placed {
  readonly node: TreeNode;
  readonly x: number;
  readonly y: number;
  readonly parent: Placed | undefined;
}

/** Leaves take rows in order; a parent stands in the middle of its children. */
export function layOut(roots: readonly TreeNode[]): {
  readonly placed: readonly Placed[];
  readonly width: number;
  readonly height: number;
} {
  const placed: Placed[] = [];
  let row = 0;
  let deepest = 0;
  const visit = (node: TreeNode, depth: number, parent: Placed | undefined): Placed => {
    deepest = Math.max(deepest, depth);
    const own = { node, x: depth * (box.width + box.gapX), y: 0, parent };
    placed.push(own);
    const children = node.children.map((child) => visit(child, depth + 1, own));
    own.y = children.length === 0 ? row++ * (box.height + box.gapY) : (children[0]!.y + children.at(-1)!.y) / 2;
    return own;
  };
  for (const root of roots) visit(root, 0, undefined);
  return {
    placed,
    width: (deepest + 1) * box.width + deepest * box.gapX,
    height: Math.max(1, row) * (box.height + box.gapY),
  };
}

export function Tree({
  roots,
  label,
  picked,
  onPick,
  badge,
}: {
  readonly roots: readonly TreeNode[];
  readonly label: string;
  readonly picked: string | undefined;
  readonly onPick: (id: string) => void;
  readonly badge?: (node: TreeNode) => ReactNode;
}) {
  const { placed, width, height } = layOut(roots);
  return (
    <div className="tree scroll-x" role="group" aria-label={label}>
      <div className="tree-inner" style={{ width, height }}>
        <svg width={width} height={height} aria-hidden="true">
          {placed.map(({ node, x, y, parent }) => {
            if (parent === undefined) return null;
            const [fromX, fromY, toY] = [parent.x + box.width, parent.y + box.height / 2, y + box.height / 2];
            const middle = (fromX + x) / 2;
            return (
              <path
                key={node.id}
                d={`M${fromX} ${fromY}C${middle} ${fromY} ${middle} ${toY} ${x} ${toY}`}
                className={`edge is-${node.kind}`}
              />
            );
          })}
        </svg>
        {placed.map(({ node, x, y }) => (
          <button
            key={node.id}
            type="button"
            className={`node is-${node.kind}`}
            aria-pressed={node.id === picked}
            style={{ left: x, top: y, width: box.width, height: box.height }}
            onClick={() => onPick(node.id)}
          >
            <span className="node-title">{node.title}</span>
            <span className="node-under">
              {node.under} {badge?.(node)}
            </span>
          </button>
        ))}
      </div>
    </div>
  );
}
