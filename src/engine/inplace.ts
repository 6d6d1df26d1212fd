/**
 * Which donated inputs may be overwritten by an output while the graph runs.
 *
 * An output may be written over an input when nothing reads the input afterwards: every reader is an ancestor of the
 * node that writes, or is that node itself working element by element. The runtime executes in some topological
 * order, so being an ancestor is all that can be relied on. Views (reshape) and reads that the runtime may move
 * into their consumer (transpose) count as reads by the consumer.
 */
import { elementCount, type Node, sameShape, type Tensor } from './graph.ts';

const ALIASES = new Set(['identity', 'stopGradient', 'custom']);
const MOVABLE = new Set([...ALIASES, 'reshape', 'transpose', 'cast']);
const ELEMENTWISE = new Set([
  'add',
  'sub',
  'mul',
  'div',
  'maximum',
  'minimum',
  'neg',
  'clip',
  'sqrt',
  'exp',
  'tanh',
  'relu',
  'where',
]);

/** The tensor that a chain of nodes which compute nothing stands for. */
export function resolveAlias(tensor: Tensor): Tensor {
  let found = tensor;
  while (found.node !== undefined && ALIASES.has(found.node.operator)) {
    const { node, outputIndex } = found;
    found = node.inputs[node.inputs.length - node.outputs.length + outputIndex]!;
  }
  return found;
}

/** The nodes that read each tensor. */
export function consumersOf(nodes: readonly Node[]): Map<Tensor, Node[]> {
  const consumers = new Map<Tensor, Node[]>();
  for (const node of nodes) {
    for (const input of node.inputs) {
      const list = consumers.get(input);
      if (list === undefined) consumers.set(input, [node]);
      else list.push(node);
    }
  }
  return consumers;
}

/** Whether `output` may be written over `input`; both as the graph has them, aliases resolved. */
export function mayOverwrite(input: Tensor, output: Tensor, consumers: ReadonlyMap<Tensor, readonly Node[]>): boolean {
  const writer = output.node;
  if (writer === undefined || !sameShape(input.shape, output.shape) || input.dtype !== output.dtype) return false;
  const readers = new Set<Node>();
  const open: Tensor[] = [input];
  while (open.length > 0) {
    for (const node of consumers.get(open.pop()!) ?? []) {
      if (MOVABLE.has(node.operator)) open.push(...node.outputs);
      else if (node !== writer) readers.add(node);
      else if (
        !ELEMENTWISE.has(node.operator) ||
        node.inputs.some((x) => x === input && !sameShape(x.shape, output.shape))
      )
        return false;
    }
  }
  // A view of the input that is itself the output would be read by whoever asked for it.
  if (MOVABLE.has(writer.operator)) return false;
  return readers.size === 0 || areAncestors(readers, writer);
}

function areAncestors(wanted: Set<Node>, of: Node): boolean {
  const oldest = Math.min(...[...wanted].map((node) => node.id));
  const seen = new Set<Node>();
  const open: Node[] = [of];
  let missing = wanted.size;
  while (open.length > 0 && missing > 0) {
    for (const input of open.pop()!.inputs) {
      const node = input.node!;
      if (node.id < oldest || seen.has(node)) continue;
      seen.add(node);
      if (wanted.has(node)) missing--;
      open.push(node);
    }
  }
  return missing === 0;
}

/** Bytes alive at once while the nodes run in order: what the runtime's arena will need, about. */
export function peakBytes(
  nodes: readonly Node[],
  outputs: readonly Tensor[],
  bytesOf: (tensor: Tensor) => number,
): number {
  const lastUse = new Map<Tensor, number>();
  nodes.forEach((node, i) => {
    for (const input of node.inputs) lastUse.set(resolveAlias(input), i);
  });
  for (const output of outputs) lastUse.set(resolveAlias(output), nodes.length);
  const freedAt = new Map<number, number>();
  let live = 0;
  let peak = 0;
  nodes.forEach((node, i) => {
    if (
      !ALIASES.has(node.operator) &&
      node.operator !== 'input' &&
      node.operator !== 'reshape' &&
      node.operator !== 'fill'
    ) {
      for (const output of node.outputs) {
        const bytes = elementCount(output.shape) === 0 ? 0 : bytesOf(output);
        const last = lastUse.get(output);
        if (last === undefined) continue;
        live += bytes;
        freedAt.set(last, (freedAt.get(last) ?? 0) + bytes);
      }
    }
    peak = Math.max(peak, live);
    live -= freedAt.get(i) ?? 0;
  });
  return peak;
}
