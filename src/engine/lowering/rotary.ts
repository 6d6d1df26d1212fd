/** The ONNX form of rotary positions: the runtime's own operator where it can be had, slices and products elsewhere. */
import type { NodeOf, Tensor } from '../graph.ts';
import type { Lowering } from './context.ts';

export function rotaryRule(node: NodeOf<'rotary'>, to: Lowering): void {
  const [x, cos, sin] = node.inputs as [Tensor, Tensor, Tensor];
  const { interleaved } = node.attributes;
  const y = node.outputs[0]!;
  const width = x.shape.at(-1)!;
  // The runtime's operator wants [batch, heads, time, width] and tables [batch, time, width / 2].
  const isShared = cos.rank === 2 && sin.rank === 2;
  const isByRow = [cos, sin].every(
    (table) => x.rank === 4 && table.rank === 4 && table.shape[0] === x.shape[0] && table.shape[1] === 1,
  );
  if (to.device === 'cpu' && (isShared || isByRow) && x.dtype === 'float32' && x.size > 0) {
    const time = x.shape.at(-2)!;
    const rows = isShared ? 1 : x.shape[0]!;
    const shape = [rows, x.size / (rows * time * width), time, width];
    const flat = to.add('Reshape', [to.nameOf(x), to.ints(shape)]);
    const table = (name: string): string => to.add('Reshape', [name, to.ints([rows, time, width / 2])]);
    const turned = to.add('RotaryEmbedding', [flat, table(to.nameOf(cos)), table(to.nameOf(sin))], {
      interleaved: { int: Number(interleaved) },
    });
    to.add('Reshape', [turned, to.ints(y.shape)], {}, { outputs: [to.nameOf(y)] });
    return;
  }
  const half = width / 2;
  const part = (start: number, end: number, step: number): string =>
    to.add('Slice', [to.nameOf(x), to.ints([start]), to.ints([end]), to.ints([x.rank - 1]), to.ints([step])]);
  const [x1, x2] = interleaved ? [part(0, width, 2), part(1, width, 2)] : [part(0, half, 1), part(half, width, 1)];
  const times = (a: string, b: Tensor): string => to.add('Mul', [a, to.nameOf(b)]);
  const first = to.add('Sub', [times(x1, cos), times(x2, sin)]);
  const second = to.add('Add', [times(x2, cos), times(x1, sin)]);
  if (!interleaved) {
    to.add('Concat', [first, second], { axis: { int: x.rank - 1 } }, { outputs: [to.nameOf(y)] });
    return;
  }
  const pairShape = to.ints([...x.shape.slice(0, -1), half, 1]);
  const column = (name: string): string => to.add('Reshape', [name, pairShape], { allowzero: { int: 1 } });
  const pairs = to.add('Concat', [column(first), column(second)], { axis: { int: x.rank } });
  to.add('Reshape', [pairs, to.ints(y.shape)], { allowzero: { int: 1 } }, { outputs: [to.nameOf(y)] });
}
