/**
 * LoRA adapters in PEFT's format: read, applied beside the base or merged into it, and written.
 * Source: Hu et al. 2021, "LoRA"; the layout of files as PEFT 0.21 writes them. A trained model is base plus adapter.
 */
import { FiducialError, show } from '../core/errors.ts';
import { type Tensor, tensor, toHost } from '../engine/index.ts';
import {
  type AdapterCheckpoint,
  type JsonObject,
  openAdapter,
  readFloat32,
  saveAdapter as writeAdapter,
} from './checkpoint/index.ts';
import type { LowRank } from './forward.ts';
import type { Network } from './network.ts';
import { parameterShapes } from './parameters.ts';

/** Low-rank changes by the name of the weight that they change. */
export interface Adapter {
  readonly name: string;
  readonly changes: ReadonlyMap<string, LowRank & { readonly scale: number }>;
}

/** Settings that say how the adapter was made or is bookkept; what is computed depends on none of them. */
const INERT = new Set([
  'peft_type', 'peft_version', 'task_type', 'base_model_name_or_path', 'revision', 'auto_mapping', 'inference_mode',
  'r', 'lora_alpha', 'lora_dropout', 'rank_pattern', 'alpha_pattern', 'use_rslora', 'target_modules', 'exclude_modules',
  'init_lora_weights', 'layers_to_transform', 'layers_pattern', 'fan_in_fan_out', 'megatron_core', 'qalora_group_size',
  'ensure_weight_tying', 'runtime_config',
]); // prettier-ignore

/** Opens a PEFT adapter folder for a network. Throws `network.adapter` for kinds that are not plain LoRA, by name. */
export async function loadAdapter(network: Network, idOrFolder: string): Promise<Adapter> {
  return adapterOf(network, await openAdapter(idOrFolder));
}

/** As {@link loadAdapter}, for an opened folder. Adapters are small: their arrays are brought to the host. */
export async function adapterOf(network: Network, checkpoint: AdapterCheckpoint): Promise<Adapter> {
  const { config, folder } = checkpoint;
  const place = `${folder}/adapter_config.json`;
  const refuse = (name: string, why: string): FiducialError =>
    new FiducialError(
      'network.adapter',
      `${place}: ${name} is ${show(config[name])}: ${why}`,
      'Merge the adapter with the library that made it, and open the merged checkpoint.',
    );
  if (config['peft_type'] !== 'LORA') throw refuse('peft_type', 'only LORA is read');
  if (config['bias'] !== undefined && config['bias'] !== 'none') throw refuse('bias', 'only "none" is read');
  for (const [name, value] of Object.entries(config)) {
    const isOff = value === null || value === false || (Array.isArray(value) && value.length === 0) || isEmpty(value);
    if (!INERT.has(name) && name !== 'bias' && name !== 'megatron_config' && !isOff)
      throw refuse(name, 'this kind of adapter is not read');
  }
  const shapes = parameterShapes(network.description);
  const halves = new Map<string, { a?: Tensor; b?: Tensor; module: string }>();
  for (const [name, entry] of checkpoint.tensors) {
    const match = /^base_model\.model\.(.+)\.lora_([AB])(?:\.default)?\.weight$/.exec(name);
    const module = match?.[1];
    const weight = `${module}.weight`;
    if (match === null || module === undefined || !shapes.has(weight) || shapes.get(weight)!.length !== 2) {
      throw new FiducialError(
        'network.adapter',
        `${entry.file}: ${name} changes nothing in ${network.description.architecture}`,
        'The adapter is for another model, or not a plain LoRA adapter.',
      );
    }
    if (entry.dtype !== 'F32' && entry.dtype !== 'F16' && entry.dtype !== 'BF16') {
      throw new FiducialError(
        'network.adapter',
        `${entry.file}: ${name} has the type ${entry.dtype}`,
        'Save the adapter in float32, float16 or bfloat16.',
      );
    }
    const array = tensor(await readFloat32(entry), { shape: entry.shape });
    const pair = halves.get(weight) ?? { module };
    if (match[2] === 'A') pair.a = array;
    else pair.b = array;
    halves.set(weight, pair);
  }
  const changes = new Map<string, LowRank & { scale: number }>();
  for (const [weight, { a, b, module }] of halves) {
    const [input, output] = inputOutput(network, shapes.get(weight)!, weight);
    const rank = a?.shape[0];
    if (a === undefined || b === undefined || a.shape[1] !== input || b.shape[0] !== output || b.shape[1] !== rank) {
      throw new FiducialError(
        'network.adapter',
        `${folder}: ${weight} is ${output} x ${input}, and its adapter ${show(b?.shape)} times ${show(a?.shape)}`,
        'A adapter is [rank, in] and B [out, rank]: it is for another model, or incomplete.',
      );
    }
    changes.set(weight, { a, b, scale: scaleOf(config, module, rank!) });
  }
  if (changes.size === 0)
    throw new FiducialError(
      'network.adapter',
      `${folder} changes nothing`,
      'The file holds no lora_A and lora_B tensors.',
    );
  return { name: folder, changes };
}

const isEmpty = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Object.keys(value).length === 0;

/** alpha / rank, or alpha / sqrt(rank) for rank-stabilised adapters, with patterns by module name. */
function scaleOf(config: JsonObject, module: string, rank: number): number {
  const patterned = (name: string): number | undefined => {
    for (const [pattern, value] of Object.entries((config[name] ?? {}) as Record<string, unknown>)) {
      if (new RegExp(`(^|.*\\.)${pattern}$`).test(module) && typeof value === 'number') return value;
    }
    return undefined;
  };
  const alpha = patterned('alpha_pattern') ?? config['lora_alpha'];
  if (typeof alpha !== 'number')
    throw new FiducialError(
      'network.adapter',
      `adapter_config.json: lora_alpha is ${show(alpha)}`,
      'It must be a number.',
    );
  return config['use_rslora'] === true ? alpha / Math.sqrt(rank) : alpha / rank;
}

/** Inputs and outputs of a weight, however it lies in the file. */
export function inputOutput(network: Network, shape: readonly number[], weight: string): [number, number] {
  const { weightLayout, tokens } = network.description;
  const [first, second] = shape as [number, number];
  return weightLayout === 'in-out' && weight !== tokens && weight !== network.description.unembedding.weight
    ? [first, second]
    : [second, first];
}

/** The network with adapters beside its weights; several add up. The base's weights are shared, not copied. */
export function withAdapters(network: Network, adapters: readonly Adapter[]): Network {
  return adapters.reduce(
    (current, { changes }) => current.withLowRank(new Map([...changes].map(([name, change]) => [name, [change]]))),
    network,
  );
}

/** The network with adapters computed into its weights: nothing to pay at each pass, and changed weights in memory. */
export async function mergeAdapters(network: Network, adapters: readonly Adapter[]): Promise<Network> {
  const parameters = new Map(network.parameters);
  for (const { changes } of adapters) {
    for (const [name, { a, b, scale }] of changes) {
      const [base, down, up] = await Promise.all(
        [parameters.get(name)!, a, b].map(async (array) => (await toHost(array)).toFloat64()),
      );
      const shape = shapeOf(parameters.get(name)!);
      const [input, output] = inputOutput(network, shape, name);
      const rank = a.shape[0]!;
      const isInOut = shape[0] === input && network.description.weightLayout === 'in-out';
      const merged = new Float32Array(base!.length);
      for (let o = 0; o < output; o++) {
        for (let i = 0; i < input; i++) {
          let change = 0;
          for (let r = 0; r < rank; r++) change += up![o * rank + r]! * down![r * input + i]!;
          const at = isInOut ? i * output + o : o * input + i;
          merged[at] = base![at]! + scale * change;
        }
      }
      parameters.set(name, tensor(merged, { shape }));
    }
  }
  return network.withParameters(parameters);
}

const shapeOf = (x: Tensor): readonly number[] => x.shape;

/** Writes an adapter as PEFT reads it. `base` is what adapter_config.json names as the base model. */
export async function saveAdapter(
  folder: string,
  adapter: {
    readonly changes: ReadonlyMap<string, { readonly a: Tensor; readonly b: Tensor }>;
    readonly rank: number;
    readonly alpha: number;
  },
  options: {
    readonly base: string;
    readonly isInOut?: boolean;
    readonly overwrite?: boolean;
    /** @default F32 */
    readonly dtype?: 'F32' | 'F16';
  },
): Promise<void> {
  const dtype = options.dtype ?? 'F32';
  const modules = new Set(
    [...adapter.changes.keys()].map((name) =>
      name
        .replace(/\.weight$/, '')
        .split('.')
        .at(-1)!,
    ),
  );
  const tensors = [...adapter.changes].flatMap(([name, { a, b }]) => {
    const module = `base_model.model.${name.replace(/\.weight$/, '')}`;
    return [
      { name: `${module}.lora_A.weight`, dtype, shape: a.shape, data: a.data as Float32Array },
      { name: `${module}.lora_B.weight`, dtype, shape: b.shape, data: b.data as Float32Array },
    ];
  });
  const config = {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: options.base,
    r: adapter.rank,
    lora_alpha: adapter.alpha,
    lora_dropout: 0,
    target_modules: [...modules].sort(),
    bias: 'none',
    fan_in_fan_out: options.isInOut ?? false,
    inference_mode: true,
    init_lora_weights: true,
    use_rslora: false,
    use_dora: false,
    modules_to_save: null,
    rank_pattern: {},
    alpha_pattern: {},
  };
  await writeAdapter(folder, {
    config,
    tensors,
    ...(options.overwrite === undefined ? {} : { overwrite: options.overwrite }),
  });
}
