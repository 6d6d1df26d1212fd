/**
 * Writes model and adapter folders in Hugging Face's layout, readable by transformers and PEFT.
 *
 * A folder is written beside its place under a temporary name and renamed when whole, so a crash leaves either the old
 * folder or the new one. Weights past `shardBytes` are split into `model-00001-of-0000N.safetensors` with an index, as
 * transformers names them. `hashCheckpoint` is the content address of such a folder, independent of its place.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { FiducialError } from '../../core/errors.ts';
import type { Json, Ref } from '../../core/values.ts';
import type { JsonObject } from './folder.ts';
import { isFolder } from './hub-cache.ts';
import { syncFolder, tensorBytes, writeSafetensors, type TensorToWrite } from './safetensors.ts';

/** A model to save. */
export interface CheckpointToSave {
  readonly config: JsonObject;
  readonly tensors: readonly TensorToWrite[];
  readonly generationConfig?: JsonObject;
  /** A folder whose tokenizer files are copied along, byte for byte. */
  readonly tokenizerFrom?: string;
  /** Weights past this many bytes are split; 5 GB, as transformers has it. */
  readonly shardBytes?: number;
  /** Replace a folder that is already there; false refuses. */
  readonly overwrite?: boolean;
}

/** An adapter to save: PEFT's `adapter_config.json` and tensors under PEFT's names (`base_model.model. ...lora_A.weight`). */
export interface AdapterToSave {
  readonly config: JsonObject;
  readonly tensors: readonly TensorToWrite[];
  readonly overwrite?: boolean;
}

/** The files of a tokenizer that transformers knows. */
export const TOKENIZER_FILES = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'chat_template.jinja',
  'chat_template.json',
  'vocab.json',
  'merges.txt',
  'tokenizer.model',
  'spiece.model',
];

/**
 * Writes a model folder.
 *
 * @throws FiducialError `checkpoint.exists`, `checkpoint.shape`, `checkpoint.duplicate`
 * @example await saveCheckpoint('./tuned', { config, tensors, tokenizerFrom: './base' });
 */
export async function saveCheckpoint(folder: string, model: CheckpointToSave): Promise<void> {
  await writeFolder(folder, model.overwrite ?? false, async (temporary) => {
    await writeJson(join(temporary, 'config.json'), model.config);
    if (model.generationConfig !== undefined) {
      await writeJson(join(temporary, 'generation_config.json'), model.generationConfig);
    }
    await writeWeights(temporary, model.tensors, model.shardBytes ?? 5e9);
    if (model.tokenizerFrom !== undefined) await copyTokenizer(model.tokenizerFrom, temporary);
  });
}

/**
 * Writes a PEFT adapter folder.
 *
 * @throws FiducialError as {@link saveCheckpoint}; `checkpoint.adapter` when the configuration names no `peft_type`
 */
export async function saveAdapter(folder: string, adapter: AdapterToSave): Promise<void> {
  if (typeof adapter.config.peft_type !== 'string') {
    throw new FiducialError(
      'checkpoint.adapter',
      'an adapter configuration without peft_type cannot be read by PEFT',
      "Set peft_type, for example { peft_type: 'LORA', r, lora_alpha, target_modules }.",
    );
  }
  await writeFolder(folder, adapter.overwrite ?? false, async (temporary) => {
    await writeJson(join(temporary, 'adapter_config.json'), adapter.config);
    await writeSafetensors(join(temporary, 'adapter_model.safetensors'), adapter.tensors);
  });
}

/**
 * The content address of a model or adapter folder: the SHA-256 over the sorted names and SHA-256 sums of its
 * configuration, weights and tokenizer files. Other files and the folder's place don't count. Files are streamed.
 *
 * @throws FiducialError `checkpoint.absent` when the folder holds nothing that counts
 */
export async function hashCheckpoint(folder: string): Promise<Ref> {
  const counted = new Set([
    ...TOKENIZER_FILES,
    'config.json',
    'generation_config.json',
    'adapter_config.json',
    'model.safetensors.index.json',
  ]);
  const names = (await readdir(folder, { recursive: true }))
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => counted.has(name) || /^(model|adapter_model)[^/]*\.safetensors$/.test(name))
    .sort();
  if (names.length === 0) {
    throw new FiducialError('checkpoint.absent', `${folder}: no model files here to hash`, 'Check the folder.');
  }
  const whole = createHash('sha256');
  for (const name of names) {
    const file = createHash('sha256');
    for await (const chunk of createReadStream(join(folder, name), { highWaterMark: 1 << 20 })) file.update(chunk);
    whole.update(`${name}\0${file.digest('hex')}\n`);
  }
  return `sha256:${whole.digest('hex')}`;
}

async function writeWeights(folder: string, tensors: readonly TensorToWrite[], shardBytes: number): Promise<void> {
  const shards: TensorToWrite[][] = [];
  let filled = Infinity;
  let total = 0;
  const seen = new Set<string>();
  for (const tensor of tensors) {
    if (seen.has(tensor.name)) {
      throw new FiducialError('checkpoint.duplicate', `tensor "${tensor.name}" is given twice`, 'Rename one.');
    }
    seen.add(tensor.name);
    const bytes = tensorBytes(tensor);
    if (filled + bytes > shardBytes) {
      shards.push([]);
      filled = 0;
    }
    shards.at(-1)!.push(tensor);
    filled += bytes;
    total += bytes;
  }
  if (shards.length <= 1) {
    await writeSafetensors(join(folder, 'model.safetensors'), tensors);
    return;
  }
  const weightMap: Record<string, string> = {};
  for (const [i, shard] of shards.entries()) {
    const number = (n: number): string => String(n).padStart(5, '0');
    const name = `model-${number(i + 1)}-of-${number(shards.length)}.safetensors`;
    await writeSafetensors(join(folder, name), shard);
    for (const tensor of shard) weightMap[tensor.name] = name;
  }
  const index = { metadata: { total_size: total }, weight_map: weightMap };
  await writeJson(join(folder, 'model.safetensors.index.json'), index);
}

async function copyTokenizer(from: string, to: string): Promise<void> {
  const present = new Set(await readdir(from));
  for (const name of TOKENIZER_FILES) if (present.has(name)) await copyFile(join(from, name), join(to, name));
}

async function writeJson(path: string, value: Json): Promise<void> {
  await using handle = await open(path, 'wx');
  await handle.writeFile(`${JSON.stringify(value, undefined, 2)}\n`);
  await handle.sync();
}

/** Fills a temporary folder beside `folder` and renames it into place; the temporary one never stays behind. */
async function writeFolder(folder: string, overwrite: boolean, fill: (at: string) => Promise<void>): Promise<void> {
  const target = resolve(folder);
  if (!overwrite && (await isFolder(target)) && (await readdir(target)).length > 0) {
    throw new FiducialError(
      'checkpoint.exists',
      `${folder} is already there and not empty`,
      'Choose another folder, or pass { overwrite: true }.',
    );
  }
  await mkdir(dirname(target), { recursive: true });
  const temporary = join(dirname(target), `.${basename(target)}.${randomUUID()}.tmp`);
  const old = `${temporary}.old`;
  try {
    await mkdir(temporary);
    await fill(temporary);
    await syncFolder(temporary);
    // A folder can't be renamed over a filled one, so the old one steps aside first.
    const replaces = await isFolder(target);
    if (replaces) await rename(target, old);
    try {
      await rename(temporary, target);
    } catch (error) {
      if (replaces) await rename(old, target);
      throw error;
    }
    await syncFolder(dirname(target));
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  await rm(old, { recursive: true, force: true });
}
