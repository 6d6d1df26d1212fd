/**
 * A network with one direction taken out of everything that is written into its stream, or added at one layer; as a
 * traced intervention that takes the direction as data, and as an edit of the weights.
 *
 * Source: Arditi et al. 2024, arXiv 2406.11717, and its code: ablation at every block's input and at the outputs of
 * attention and MLP, all positions; addition at the input of one block; or W <- W - r r^T W for every matrix that
 * writes into the stream. One program serves every direction, so a search over candidates traces once a shape.
 */
import { FiducialError } from '../../core/errors.ts';
import {
  add,
  compile,
  fromData,
  mul,
  narrow,
  reshape,
  sub,
  sum,
  tensor,
  type Tensor,
  toHost,
} from '../../engine/index.ts';
import { forward, Network, type Tap } from '../../network/index.ts';

export interface Steering {
  /** Taken out everywhere: a vector of any length [width]. */
  readonly ablate?: ArrayLike<number>;
  /** Added to the input of this block at every position [width]. */
  readonly add?: { readonly layer: number; readonly vector: ArrayLike<number> };
}

/** Logits behind the last token of each text, [vocabulary] each. */
export type SteeredLogits = (texts: readonly (readonly number[])[], steering?: Steering) => Promise<Float32Array[]>;

const SITES = /^blocks\.(\d+)\.(resid_pre|attn_out|mlp_out)$/;

/** @example const [logits] = await steeredLogits(network)([ids], { ablate: direction }); */
export function steeredLogits(network: Network): SteeredLogits {
  const { description } = network;
  const { width, layers } = description;
  const program = compile(
    (tokens: Tensor, positions: Tensor, last: Tensor, unit: Tensor, vectors: Tensor) => {
      const tap: Tap = {
        wants: (site) => SITES.test(site),
        apply(site, x) {
          const [, layer, kind] = SITES.exec(site)!;
          const out = sub(x, mul(sum(mul(x, unit), { axes: 2, keepDims: true }), unit)); // [batch, time, width]
          if (kind !== 'resid_pre') return out;
          return add(out, reshape(narrow(vectors, 0, Number(layer), Number(layer) + 1), [width]));
        },
      };
      return forward(description, { tokens, positions, logitsAt: last }, { ...network.forwardOptions(), tap }).logits!;
    },
    { label: 'steered', prepack: network.prepack },
  );
  return async (texts, steering = {}) => {
    const unit = new Float32Array(width);
    if (steering.ablate !== undefined) unit.set(unitOf(steering.ablate));
    const vectors = new Float32Array(layers * width);
    if (steering.add !== undefined) vectors.set(Array.from(steering.add.vector), steering.add.layer * width);
    const found: Float32Array[] = [];
    const order = texts.map((_, i) => i).sort((a, b) => texts[a]!.length - texts[b]!.length);
    for (let at = 0; at < order.length; at += ROWS) {
      const some = order.slice(at, at + ROWS);
      // Always the same number of rows, and lengths in steps, so that few shapes are traced.
      const time = Math.min(description.context, Math.ceil(texts[some.at(-1)!]!.length / 16) * 16);
      const tokens = new Int32Array(ROWS * time);
      const positions = new Int32Array(ROWS * time).fill(-1);
      const last = new Int32Array(ROWS);
      for (let row = 0; row < ROWS; row++) {
        const ids = texts[some[row] ?? some[0]!]!;
        last[row] = ids.length - 1;
        ids.forEach((id, t) => {
          tokens[row * time + t] = id;
          positions[row * time + t] = t;
        });
      }
      const logits = await program(
        tensor(tokens, { shape: [ROWS, time] }),
        tensor(positions, { shape: [ROWS, time] }),
        tensor(last, { shape: [ROWS, 1] }),
        fromData(unit, [width], 'float32'),
        fromData(vectors, [layers, width], 'float32'),
      );
      const values = logits.data as Float32Array;
      const size = values.length / ROWS;
      some.forEach((text, row) => (found[text] = values.slice(row * size, (row + 1) * size)));
    }
    return found;
  };
}

/** Texts a pass. */
const ROWS = 16;

export function unitOf(vector: ArrayLike<number>): Float64Array {
  const values = Float64Array.from(vector);
  const length = Math.hypot(...values);
  return length === 0 ? values : values.map((x) => x / length);
}

/**
 * The same network with the direction taken out of every matrix that writes into the stream.
 *
 * @throws FiducialError `direction.not-editable` where writing matrices are read elsewhere too (tied embeddings), or a
 *   norm stands between them and the stream
 */
export async function withoutDirection(network: Network, direction: ArrayLike<number>): Promise<Network> {
  const { description } = network;
  const { width, layers, weightLayout } = description;
  const refuse = (why: string): FiducialError =>
    new FiducialError('direction.not-editable', `A direction cannot be edited out: ${why}`, 'Ablate it while it runs.');
  if (description.unembedding.weight === description.tokens) throw refuse('the embedding is also the unembedding');
  const unit = unitOf(direction);
  const writers: { name: string; layout: 'rows' | 'columns' }[] = [{ name: description.tokens, layout: 'rows' }];
  if ('learned' in description.positions) writers.push({ name: description.positions.learned, layout: 'rows' });
  for (let layer = 0; layer < layers; layer++) {
    const { out, mlp, attentionOutNorm, mlpOutNorm } = description.block(layer);
    if (attentionOutNorm !== undefined || mlpOutNorm !== undefined) throw refuse('norms follow what it writes');
    for (const { weight, bias } of [out, mlp.down]) {
      writers.push({ name: weight, layout: weightLayout === 'in-out' ? 'rows' : 'columns' });
      if (bias !== undefined) writers.push({ name: bias, layout: 'rows' });
    }
  }
  const parameters = new Map(network.parameters);
  for (const { name, layout } of writers) {
    const host = await toHost(parameters.get(name)!);
    const values = Float32Array.from(host.toFloat64());
    const count = values.length / width;
    // Rows [.., width] lose their part along it; of [width, ..] the columns do.
    const place = (line: number, j: number): number => (layout === 'rows' ? line * width + j : j * count + line);
    for (let line = 0; line < count; line++) {
      let along = 0;
      for (let j = 0; j < width; j++) along += values[place(line, j)]! * unit[j]!;
      for (let j = 0; j < width; j++) values[place(line, j)]! -= along * unit[j]!;
    }
    parameters.set(name, fromData(values, host.shape, 'float32'));
  }
  return network.withParameters(parameters);
}
