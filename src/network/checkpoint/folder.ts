/**
 * A model folder in Hugging Face's layout, opened by reference: configuration, where every tensor lies, and the files
 * of its tokenizer. No weights are read.
 *
 * Layout as transformers writes it: `config.json`, `model.safetensors` or `model.safetensors.index.json` with shards,
 * `generation_config.json`, `tokenizer.json`, `tokenizer_config.json`, `chat_template.jinja`; and PEFT's
 * `adapter_config.json` with `adapter_model.safetensors`. Shard names must stay inside the folder; symbolic links, as
 * the Hugging Face cache makes them, are followed. Pickled weights are refused.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FiducialError, show } from '../../core/errors.ts';
import type { Json } from '../../core/values.ts';
import type { TensorEntry } from './header.ts';
import { isFile, isMissing, pickleHint, resolveModel, type ResolveOptions } from './hub-cache.ts';
import { openSafetensors } from './safetensors.ts';

export type JsonObject = { readonly [key: string]: Json };

/** What a model folder holds. */
export interface Checkpoint {
  readonly folder: string;
  readonly config: JsonObject;
  /** Name of each tensor to its place, over all shards. */
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  /** The weight files, by path. */
  readonly weightFiles: readonly string[];
  readonly generationConfig?: JsonObject;
  /** Path of `tokenizer.json`, where there is one. */
  readonly tokenizerFile?: string;
  readonly tokenizerConfig?: JsonObject;
  /** The Jinja chat template: `chat_template.jinja`, else what `tokenizer_config.json` names as the default. */
  readonly chatTemplate?: string;
}

/** A PEFT adapter folder. */
export interface AdapterCheckpoint {
  readonly folder: string;
  readonly config: JsonObject;
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly weightFiles: readonly string[];
}

/** Configuration files above this are refused: real ones have kilobytes, tokenizer configurations a few megabytes. */
const MAX_CONFIG_BYTES = 64 << 20;

/**
 * Opens a model folder, or a repository id found in the Hugging Face cache.
 *
 * @throws FiducialError `checkpoint.absent`, `checkpoint.json`, `checkpoint.index`, `checkpoint.pickled`,
 *   `checkpoint.duplicate`, and those of `openSafetensors`; each names file and field
 * @example const { config, tensors } = await openCheckpoint('./gpt2');
 */
export async function openCheckpoint(idOrFolder: string, options: ResolveOptions = {}): Promise<Checkpoint> {
  const folder = await resolveModel(idOrFolder, options);
  const config = await readJsonObject(join(folder, 'config.json'));
  const { tensors, weightFiles } = await openWeights(folder, 'model');
  const generationConfig = await readOptionalJsonObject(join(folder, 'generation_config.json'));
  const tokenizerConfig = await readOptionalJsonObject(join(folder, 'tokenizer_config.json'));
  const tokenizerFile = join(folder, 'tokenizer.json');
  const chatTemplate = await readChatTemplate(folder, tokenizerConfig);
  return {
    folder,
    config,
    tensors,
    weightFiles,
    ...(generationConfig === undefined ? {} : { generationConfig }),
    ...((await isFile(tokenizerFile)) ? { tokenizerFile } : {}),
    ...(tokenizerConfig === undefined ? {} : { tokenizerConfig }),
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
  };
}

/**
 * Opens a PEFT adapter folder.
 *
 * @throws FiducialError as {@link openCheckpoint}
 * @example const { config, tensors } = await openAdapter('./qwen2-lora');
 */
export async function openAdapter(idOrFolder: string, options: ResolveOptions = {}): Promise<AdapterCheckpoint> {
  const folder = await resolveModel(idOrFolder, options);
  const config = await readJsonObject(join(folder, 'adapter_config.json'));
  return { folder, config, ...(await openWeights(folder, 'adapter_model')) };
}

/** Whether the folder holds a PEFT adapter rather than a whole model. */
export async function isAdapterFolder(folder: string): Promise<boolean> {
  return (await isFile(join(folder, 'adapter_config.json'))) && !(await isFile(join(folder, 'config.json')));
}

/**
 * The chat template of a folder: `chat_template.jinja`, else `chat_template.json`, else the tokenizer configuration's
 * `chat_template` (a string, or a list of named ones of which `default` counts).
 */
export async function readChatTemplate(folder: string, tokenizerConfig?: JsonObject): Promise<string | undefined> {
  const jinja = await readOptionalText(join(folder, 'chat_template.jinja'));
  if (jinja !== undefined) return jinja;
  const json = await readOptionalJsonObject(join(folder, 'chat_template.json'));
  const where = json?.chat_template === undefined ? 'tokenizer_config.json' : 'chat_template.json';
  const value = json?.chat_template ?? tokenizerConfig?.chat_template;
  if (value === undefined || value === null || typeof value === 'string') return value ?? undefined;
  if (Array.isArray(value)) {
    const named = value.filter(isObject).find(({ name }) => name === 'default') ?? value.find(isObject);
    if (isObject(named) && typeof named.template === 'string') return named.template;
  }
  throw new FiducialError(
    'checkpoint.json',
    `${join(folder, where)}: chat_template is ${show(value)}, neither a template nor a list of named templates`,
    'Make it a string.',
  );
}

async function openWeights(
  folder: string,
  stem: string,
): Promise<{ tensors: ReadonlyMap<string, TensorEntry>; weightFiles: readonly string[] }> {
  const single = join(folder, `${stem}.safetensors`);
  if (await isFile(single)) return { tensors: (await openSafetensors(single)).tensors, weightFiles: [single] };
  const index = join(folder, `${stem}.safetensors.index.json`);
  if (await isFile(index)) return openShards(folder, index);
  const names = await readdir(folder);
  const pickled = names.filter((name) => /\.(bin|pt|pth|ckpt|pkl)$/.test(name) && name !== 'training_args.bin');
  if (pickled.length > 0) {
    throw new FiducialError(
      'checkpoint.pickled',
      `${folder}: the weights are pickled (${pickled.slice(0, 3).join(', ')}); only safetensors are read`,
      pickleHint(pickled[0]!),
    );
  }
  throw new FiducialError(
    'checkpoint.absent',
    `${folder}: neither ${stem}.safetensors nor ${stem}.safetensors.index.json is there`,
    'Save the model with safe_serialization=True, or download its weights.',
  );
}

async function openShards(
  folder: string,
  index: string,
): Promise<{ tensors: ReadonlyMap<string, TensorEntry>; weightFiles: readonly string[] }> {
  const { weight_map: weightMap } = await readJsonObject(index);
  if (!isObject(weightMap)) {
    throw new FiducialError('checkpoint.index', `${index}: weight_map is ${show(weightMap)}, not an object`, HINT);
  }
  const byShard = new Map<string, string[]>();
  for (const [tensor, shard] of Object.entries(weightMap)) {
    if (typeof shard !== 'string' || !staysInside(shard)) {
      throw new FiducialError(
        'checkpoint.index',
        `${index}: weight_map[${show(tensor)}] is ${show(shard)}, not the name of a safetensors file in this folder`,
        HINT,
      );
    }
    const names = byShard.get(shard);
    if (names === undefined) byShard.set(shard, [tensor]);
    else names.push(tensor);
  }
  const tensors = new Map<string, TensorEntry>();
  const weightFiles: string[] = [];
  for (const shard of [...byShard.keys()].sort()) {
    const path = join(folder, shard);
    if (!(await isFile(path))) {
      throw new FiducialError(
        'checkpoint.absent',
        `${path}: this shard is named by model.safetensors.index.json but is not there`,
        'Download the missing shard.',
      );
    }
    const opened = await openSafetensors(path);
    weightFiles.push(path);
    for (const name of byShard.get(shard)!) {
      const entry = opened.tensors.get(name);
      if (entry === undefined) {
        throw new FiducialError(
          'checkpoint.index',
          `${index}: weight_map puts ${show(name)} in ${shard}, which does not hold it`,
          HINT,
        );
      }
      tensors.set(name, entry);
    }
    for (const name of opened.tensors.keys()) {
      if (!Object.hasOwn(weightMap, name)) {
        throw new FiducialError(
          'checkpoint.index',
          `${index}: weight_map does not name ${show(name)} of ${shard}`,
          HINT,
        );
      }
      if (weightMap[name] !== shard) {
        throw new FiducialError(
          'checkpoint.duplicate',
          `${index}: ${show(name)} is in ${shard} as well as in ${show(weightMap[name])}`,
          HINT,
        );
      }
    }
  }
  return { tensors, weightFiles };
}

const HINT = 'Download the index and all shards again from one revision.';

/** A relative name of a safetensors file that can't leave its folder, on any platform. */
function staysInside(name: string): boolean {
  if (!name.endsWith('.safetensors') || name.includes('\\') || name.includes('\0') || name.includes(':')) return false;
  return name.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

/**
 * Reads a JSON file that must hold an object.
 *
 * @throws FiducialError `checkpoint.absent`, `checkpoint.json`
 */
export async function readJsonObject(path: string): Promise<JsonObject> {
  const value = await readOptionalJsonObject(path);
  if (value !== undefined) return value;
  throw new FiducialError('checkpoint.absent', `${path}: this file is not there`, 'Download or save the whole folder.');
}

/** As {@link readJsonObject}; undefined when the file is not there. */
export async function readOptionalJsonObject(path: string): Promise<JsonObject | undefined> {
  const text = await readOptionalText(path);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FiducialError('checkpoint.json', `${path}: not JSON: ${reason}`, 'Download the file again.', { cause });
  }
  if (isObject(value)) return value;
  throw new FiducialError(
    'checkpoint.json',
    `${path}: holds ${show(value)}, not an object`,
    'Download the file again.',
  );
}

async function readOptionalText(path: string): Promise<string | undefined> {
  try {
    const { size } = await stat(path);
    if (size > MAX_CONFIG_BYTES) {
      throw new FiducialError('checkpoint.json', `${path}: ${size} bytes is too long for this file`, 'Check the file.');
    }
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
