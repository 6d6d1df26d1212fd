/**
 * The parameters of a model: which tensors a description expects, how a checkpoint's names map to them, and their
 * arrays, which stay in the files until somebody asks for them on the host.
 */
import { realpathSync } from 'node:fs';
import { FiducialError } from '../core/errors.ts';
import { type DType, fromFile, sameShape, type Tensor } from '../engine/index.ts';
import type { Description, Projection } from './architecture/description.ts';
import type { Dtype, TensorEntry } from './checkpoint/index.ts';

/** Shape of every parameter by its canonical name, in the order of the network. */
export function parameterShapes(description: Description): Map<string, readonly number[]> {
  const { vocabulary, width, heads, keyHeads, headWidth, innerWidth, layers, context, weightLayout, queryKeyNorm } =
    description;
  const shapes = new Map<string, readonly number[]>();
  const project = ({ weight, bias }: Projection, from: number, to: number): void => {
    shapes.set(weight, weightLayout === 'in-out' ? [from, to] : [to, from]);
    if (bias !== undefined) shapes.set(bias, [to]);
  };
  const norm = (names: { weight: string; bias?: string } | undefined, size = width): void => {
    if (names === undefined) return;
    shapes.set(names.weight, [size]);
    if (names.bias !== undefined) shapes.set(names.bias, [size]);
  };
  shapes.set(description.tokens, [vocabulary, width]);
  if ('learned' in description.positions) shapes.set(description.positions.learned, [context, width]);
  for (let layer = 0; layer < layers; layer++) {
    const names = description.block(layer);
    norm(names.norm1);
    norm(names.norm2);
    norm(names.attentionOutNorm);
    norm(names.mlpOutNorm);
    if ('fused' in names.qkv) project(names.qkv.fused, width, (heads + 2 * keyHeads) * headWidth);
    else {
      project(names.qkv.q, width, heads * headWidth);
      project(names.qkv.k, width, keyHeads * headWidth);
      project(names.qkv.v, width, keyHeads * headWidth);
    }
    norm(names.queryNorm, queryKeyNorm === 'head' ? headWidth : heads * headWidth);
    norm(names.keyNorm, queryKeyNorm === 'head' ? headWidth : keyHeads * headWidth);
    project(names.out, heads * headWidth, width);
    const { mlp } = names;
    if ('gateUp' in mlp) project(mlp.gateUp, width, 2 * innerWidth);
    else {
      if ('gate' in mlp) project(mlp.gate, width, innerWidth);
      project(mlp.up, width, innerWidth);
    }
    project(mlp.down, innerWidth, width);
  }
  norm(description.finalNorm);
  if (!description.isTied) shapes.set(description.unembedding.weight, [vocabulary, width]);
  return shapes;
}

const DTYPES: { readonly [D in Dtype]?: DType } = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' };

/**
 * The parameters of a checkpoint, by canonical name, as arrays that lie in its files. Files that leave out the
 * outermost prefix (`transformer.`, `model.`) are understood.
 *
 * @throws FiducialError `network.parameter`: one that is missing, unknown, of another shape or type, with its file
 */
export function parametersOf(
  description: Description,
  tensors: ReadonlyMap<string, TensorEntry>,
  folder: string,
): Map<string, Tensor> {
  const shapes = parameterShapes(description);
  const parameters = new Map<string, Tensor>();
  const taken = new Set<string>();
  const realPaths = new Map<string, string>();
  for (const [name, shape] of shapes) {
    const shortName = name.replace(/^(transformer|gpt_neox|model)\./, '');
    const entry = tensors.get(name) ?? tensors.get(shortName);
    if (entry === undefined) {
      throw new FiducialError(
        'network.parameter',
        `${folder}: the tensor ${name} is missing`,
        'The checkpoint is incomplete, or of another architecture than config.json says.',
      );
    }
    taken.add(entry.name);
    const dtype = DTYPES[entry.dtype];
    if (dtype === undefined) {
      throw new FiducialError(
        'network.parameter',
        `${entry.file}: ${name} has the type ${entry.dtype}`,
        'Weights are float32, float16 or bfloat16: convert the checkpoint.',
      );
    }
    if (!sameShape(entry.shape, shape)) {
      throw new FiducialError(
        'network.parameter',
        `${entry.file}: ${name} is [${entry.shape.join(', ')}], and config.json makes it [${shape.join(', ')}]`,
        'Weights and config.json are of different models.',
      );
    }
    // A file in the hub's cache is a link; the runtime wants to read where the bytes are.
    let path = realPaths.get(entry.file);
    if (path === undefined) realPaths.set(entry.file, (path = realpathSync(entry.file)));
    parameters.set(
      name,
      fromFile({ path, byteOffset: entry.byteOffset, byteLength: entry.byteLength }, entry.shape, dtype),
    );
  }
  for (const [name, entry] of tensors) {
    if (taken.has(name) || description.ignoredTensors.test(name)) continue;
    // A tied unembedding that was written out all the same.
    if (description.isTied && /^(lm_head|embed_out)\.weight$/.test(name)) continue;
    throw new FiducialError(
      'network.parameter',
      `${entry.file}: the tensor ${name} is not part of ${description.architecture}`,
      'Nothing here would read it, so the model would compute something else than it was trained to.',
    );
  }
  return parameters;
}
