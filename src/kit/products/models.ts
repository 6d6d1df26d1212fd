/**
 * Trained models as products: a checkpoint, or an adapter over the model that it was trained on.
 *
 * The files are those that any other program reads (Hugging Face's and PEFT's layout). A small base is kept along, so
 * that the product opens from the store alone; a large one is named by address and hash.
 */
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FiducialError } from '../../core/errors.ts';
import type { Ref } from '../../core/values.ts';
import type { OpenModel } from '../../models/open/local-model.ts';
import { type Network, saveAdapter, saveNetwork } from '../../network/index.ts';
import type { AdapterParts } from '../training/trainable.ts';
import { type Keep, keepManifest, type ProductBase } from './manifest.ts';

/** A base of up to so many bytes is kept with what stands on it. */
const MAX_KEPT_BYTES = 256 << 20;

export interface KeepModelOptions {
  /** How weights are written. @default 'F16' */
  readonly dtype?: 'F32' | 'F16' | 'BF16';
}

/**
 * Keeps what training gave as a product: an adapter where low-rank halves were trained, else a whole checkpoint.
 *
 * @param from the model that was trained: gives tokenizer, template and settings, and the base of an adapter
 * @throws FiducialError `product.no-base` for an adapter over a large model that has neither address nor hash,
 *   `product.no-files` for a model that was made in memory
 * @example const product = await keepTrained(context.keep, 'tuned', target, trained);
 */
export async function keepTrained(
  keep: Keep,
  name: string,
  from: OpenModel,
  trained: { readonly network: Network; readonly adapter: AdapterParts | undefined },
  options: KeepModelOptions = {},
): Promise<Ref> {
  const { adapter, network } = trained;
  const source = filesOf(from);
  if (adapter === undefined) {
    const files = await keepFolder(keep, name, async (folder) => {
      await saveNetwork(folder, network, { dtype: options.dtype ?? 'F16', tokenizerFrom: source.folder });
    });
    const own = await keepNamed(keep, name, source.folder, ['generation_config.json']);
    return await keepManifest(keep, `${name}/product`, { kind: 'checkpoint', files: { ...files, ...own } });
  }
  const base = await keepBase(keep, `${name}/base`, from);
  const files = await keepFolder(keep, name, async (folder) => {
    const isInOut = network.description.weightLayout === 'in-out';
    await saveAdapter(folder, adapter, { base: baseName(base), isInOut });
  });
  return await keepManifest(keep, `${name}/product`, { kind: 'adapter', base, files });
}

/** What adapter_config.json names: never a path of this machine. */
const baseName = (base: ProductBase): string => ('product' in base ? base.product : base.hash);

/** The model as it is, as what a product can stand on. */
export async function keepBase(keep: Keep, name: string, model: OpenModel): Promise<ProductBase> {
  const { address, weightsHash } = model;
  const files = filesOf(model);
  const folders = [files.folder, ...files.adapters];
  const sizes = await Promise.all(folders.map(folderBytes));
  if (sizes.reduce((a, b) => a + b, 0) > MAX_KEPT_BYTES) {
    if (address !== undefined && weightsHash !== undefined) return { address, hash: weightsHash };
    throw new FiducialError(
      'product.no-base',
      `${model.id} is too large to be kept (${Math.round(sizes[0]! / (1 << 20))} MiB), and it has ${address === undefined ? 'no address' : 'no hash'}`,
      'Train all of its parameters, or open it from a repository of the hub, whose commit stands for its weights.',
    );
  }
  let product = await keepManifest(keep, `${name}/product`, {
    kind: 'checkpoint',
    files: await keepNamed(keep, name, files.folder),
  });
  for (const [index, folder] of files.adapters.entries()) {
    const kept = await keepNamed(keep, `${name}/${index}`, folder);
    product = await keepManifest(keep, `${name}/${index}/product`, {
      kind: 'adapter',
      base: { product },
      files: kept,
    });
  }
  return { product };
}

function filesOf({ id, files }: OpenModel): NonNullable<OpenModel['files']> {
  if (files !== undefined) return files;
  throw new FiducialError(
    'product.no-files',
    `${id} was made in memory, so the files of its tokenizer are not known`,
    'Save it as a folder (saveNetwork) and open that.',
  );
}

/** Writes a folder aside, keeps its files, and removes it. */
async function keepFolder(
  keep: Keep,
  name: string,
  write: (folder: string) => Promise<void>,
): Promise<Record<string, Ref>> {
  const place = await mkdtemp(join(tmpdir(), 'fiducial-product-'));
  try {
    const folder = join(place, 'model');
    await write(folder);
    return await keepNamed(keep, name, folder);
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

/** Files of a model folder that say what it computes or how it is talked to. */
const COUNTED =
  /^(?:(?:model|adapter_model)[^/]*\.safetensors(?:\.index\.json)?|(?:adapter_|generation_|tokenizer_)?config\.json|tokenizer\.json|special_tokens_map\.json|added_tokens\.json|chat_template\.(?:jinja|json)|vocab\.json|merges\.txt)$/;

async function keepNamed(
  keep: Keep,
  name: string,
  folder: string,
  only?: readonly string[],
): Promise<Record<string, Ref>> {
  const files: Record<string, Ref> = {};
  for (const file of (await readdir(folder)).sort()) {
    if (only === undefined ? !COUNTED.test(file) : !only.includes(file)) continue;
    // Bytes, not text: what a tokenizer says must not be redacted, nor read for references.
    files[file] = await keep(`${name}/${file}`, await readFile(join(folder, file)), 'application/octet-stream');
  }
  return files;
}

async function folderBytes(folder: string): Promise<number> {
  let bytes = 0;
  for (const file of await readdir(folder)) {
    if (COUNTED.test(file)) bytes += (await stat(join(folder, file))).size;
  }
  return bytes;
}
