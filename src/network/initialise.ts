/**
 * A network that has learned nothing yet: parameters of a configuration drawn from a seed, as training begins with
 * them; and any network written as a model folder.
 *
 * Projections are normal with deviation 1/sqrt(inputs), those that write into the residual stream divided by
 * sqrt(2 layers) (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", 2.3); tables are normal
 * with the configuration's `initializer_range` (0.02); norms do nothing; biases are 0. Each parameter is drawn from its
 * own stream by name, so that a deeper network begins with the numbers of the shallower one.
 */
import type { Random } from '../core/random.ts';
import { elementCount, fromData, type Tensor, toHost } from '../engine/index.ts';
import { describe } from './architecture/architectures.ts';
import { type Dtype, type JsonObject, saveCheckpoint } from './checkpoint/index.ts';
import { Network } from './network.ts';
import { parameterShapes } from './parameters.ts';

/**
 * A network of this configuration (as in config.json) with random weights, float32, in memory.
 *
 * @throws FiducialError those of `describe` for a configuration that cannot be
 * @example
 * const network = initialiseNetwork({ model_type: 'llama', hidden_size: 128, ... }, random(7));
 * await saveNetwork('./base', network, { tokenizerFrom: './tokenizer' });
 */
export function initialiseNetwork(config: JsonObject, random: Random): Network {
  const description = describe(config);
  const { layers, weightLayout, norm, tokens, positions, unembedding } = description;
  const range = typeof config['initializer_range'] === 'number' ? config['initializer_range'] : 0.02;
  const tables = new Set([tokens, unembedding.weight, ...('learned' in positions ? [positions.learned] : [])]);
  const outputs = new Set<string>();
  for (let layer = 0; layer < layers; layer++) {
    const { out, mlp } = description.block(layer);
    outputs.add(out.weight).add(mlp.down.weight);
  }
  const parameters = new Map<string, Tensor>();
  for (const [name, shape] of parameterShapes(description)) {
    const data = new Float32Array(elementCount(shape));
    if (shape.length === 2) {
      const inputs = weightLayout === 'in-out' ? shape[0]! : shape[1]!;
      const deviation = tables.has(name) ? range : 1 / Math.sqrt(inputs * (outputs.has(name) ? 2 * layers : 1));
      random.split(name).fillNormal(data, 0, deviation);
    } else if (name.endsWith('weight') && !norm.plusOne) data.fill(1);
    parameters.set(name, fromData(data, shape, 'float32'));
  }
  return new Network(description, config, parameters);
}

/** How {@link saveNetwork} writes. */
export interface SaveNetworkOptions {
  /** Type of the weights; F16 unless told. */
  readonly dtype?: Extract<Dtype, 'F32' | 'F16' | 'BF16'>;
  /** A folder whose tokenizer files are copied along. */
  readonly tokenizerFrom?: string;
  readonly generationConfig?: JsonObject;
  readonly overwrite?: boolean;
}

const TORCH_TYPES = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' } as const;

/**
 * Writes a network's parameters as a model folder in Hugging Face's layout. Low-rank changes beside the weights are not
 * written: merge them first, or save them as an adapter.
 *
 * @throws FiducialError as `saveCheckpoint`
 */
export async function saveNetwork(folder: string, network: Network, options: SaveNetworkOptions = {}): Promise<void> {
  const { dtype = 'F16', ...rest } = options;
  const config = { ...network.config, torch_dtype: TORCH_TYPES[dtype] };
  const tensors = [...network.parameters].map(([name, parameter]) => ({
    name,
    dtype,
    shape: parameter.shape,
    data: async () => Float32Array.from((await toHost(parameter)).toFloat64()),
  }));
  await saveCheckpoint(folder, { config, tensors, ...rest });
}
