/**
 * Finds import cycles: the strongly connected components of a directed graph that hold more than one node, or one node
 * with an edge to itself. Source: R. Tarjan, "Depth-first search and linear graph algorithms", SIAM J. Comput. 1(2), 1972.
 * Recursive, as in the paper: the depth is the longest chain of imports, far below the call stack's limit.
 */

/** Node to the nodes that it points at. */
export type Graph = ReadonlyMap<string, readonly string[]>;

/**
 * The cycles of a graph, each as its nodes in alphabetical order, the list ordered by first node.
 *
 * @example
 * cyclesIn(new Map([['a', ['b']], ['b', ['a']], ['c', ['a']]])); // [['a', 'b']]
 */
export function cyclesIn(graph: Graph): string[][] {
  const order = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const open = new Set<string>();
  const cycles: string[][] = [];

  const visit = (node: string): void => {
    order.set(node, order.size);
    low.set(node, order.get(node)!);
    stack.push(node);
    open.add(node);
    for (const next of graph.get(node) ?? []) {
      if (!order.has(next)) {
        visit(next);
        low.set(node, Math.min(low.get(node)!, low.get(next)!));
      } else if (open.has(next)) {
        low.set(node, Math.min(low.get(node)!, order.get(next)!));
      }
    }
    if (low.get(node) !== order.get(node)) return;
    const component = stack.splice(stack.indexOf(node));
    for (const member of component) open.delete(member);
    const pointsAtItself = (graph.get(node) ?? []).includes(node);
    if (component.length > 1 || pointsAtItself) cycles.push(component.toSorted());
  };

  for (const node of graph.keys()) if (!order.has(node)) visit(node);
  return cycles.toSorted((a, b) => (a[0]! < b[0]! ? -1 : 1));
}
