/**
 * Products of runs as models: `artefact:<hash>` (or the whole reference) opens what a run left behind.
 *
 * The manifest says of which kind it is; a kind is a line of {@link kinds}. Files are written once into a cache beside
 * the store, under the manifest's hash, and the folder is opened like any other; what is opened was hashed on its way
 * out of the store.
 */
import { randomUUID } from 'node:crypto';
import { copyFile, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { FiducialError, show } from '../core/errors.ts';
import type { Ref } from '../core/values.ts';
import { type ProductManifest, productManifest } from '../kit/products/index.ts';
import type { Model } from '../models/model.ts';
import type { OpenModel, OpenModelOptions } from '../models/open/index.ts';
import type { Store } from '../store/store.ts';

/** How the models under a product are opened. */
export interface ProductOptions {
  readonly store: Store;
  /** In a worker, or in this process where the weights are needed. */
  readonly openFolder: (folder: string, options: OpenModelOptions) => Promise<Model>;
  /** The model at an address, in this process: what a product by address stands on. */
  readonly openAddress: (address: string) => Promise<Model>;
}

/** A product on its way to being opened. */
export interface Product {
  readonly ref: Ref;
  readonly manifest: ProductManifest;
  /** The folder that holds its files. */
  readonly folder: () => Promise<string>;
}

/** Opens a product of one kind as a model. */
export type ProductKind = (product: Product, options: ProductOptions) => Promise<Model>;

/** What is opened how. */
const kinds = new Map<string, ProductKind>([
  ['checkpoint', async (product, { openFolder }) => await openFolder(await product.folder(), identityOf(product.ref))],
  [
    'adapter',
    async (product, options) => {
      const { folder, adapters } = await baseFolders(product, options);
      return await options.openFolder(folder, {
        ...identityOf(product.ref),
        adapters: [...adapters, await product.folder()],
      });
    },
  ],
]);

/** Teaches this process another kind of product. Throws `product.kind-taken` for one it knows. */
export function addProductKind(kind: string, open: ProductKind): void {
  if (kinds.has(kind)) {
    throw new FiducialError('product.kind-taken', `the kind ${show(kind)} is known already`, 'Choose another word.');
  }
  kinds.set(kind, open);
}

const identityOf = (ref: Ref): { id: string; weightsHash: string; address: string } => {
  const hash = ref.slice('sha256:'.length);
  return { id: `artefact:${hash.slice(0, 12)}`, weightsHash: ref, address: `artefact:${hash}` };
};

/** The reference in an address of a product; undefined for other addresses. */
export function productRef(address: string): string | undefined {
  return /^(?:artefact|sha256):(.*)$/s.exec(address)?.[1];
}

/**
 * Opens the product at an address.
 *
 * @param hash 64 hexadecimal digits
 * @throws FiducialError `product.bad-address`, `product.not-one`, `product.unknown-kind`, `product.base-changed`,
 *   `store.missing`
 */
export async function openProduct(hash: string, options: ProductOptions): Promise<Model> {
  const product = await readProduct(hash, options.store);
  const open = kinds.get(product.manifest.kind);
  if (open === undefined) {
    throw new FiducialError(
      'product.unknown-kind',
      `${product.ref} is a ${show(product.manifest.kind)}, which does not open as a model`,
      `Kinds that do: ${[...kinds.keys()].join(', ')}.`,
    );
  }
  return await open(product, options);
}

/** The product of a hash. */
export async function readProduct(hash: string, store: Store): Promise<Product> {
  if (!/^[0-9a-f]{64}$/.test(hash)) {
    throw new FiducialError(
      'product.bad-address',
      `artefact:${hash} is not the hash of a product`,
      'Write artefact: and all 64 digits, as the run that made it shows them.',
    );
  }
  const ref: Ref = `sha256:${hash}`;
  const bytes = await store.artefacts.get(ref);
  const parsed = productManifest.safeParse(jsonOf(bytes));
  if (!parsed.success) {
    throw new FiducialError(
      'product.not-one',
      `${ref} is no product: ${parsed.error.issues[0]?.message ?? 'not a manifest'}`,
      'Name a product: `fiducial show <run>` lists those of a run.',
    );
  }
  const manifest = parsed.data as ProductManifest;
  return { ref, manifest, folder: () => materialise(ref, manifest, store) };
}

function jsonOf(bytes: Uint8Array): unknown {
  if (bytes.byteLength > MAX_MANIFEST_BYTES) return undefined;
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    // Not JSON, so not a manifest, which the caller says.
    return undefined;
  }
}

const MAX_MANIFEST_BYTES = 1 << 20;

/** The folder of the model under a product, with the adapters that lie over it. */
async function baseFolders(product: Product, options: ProductOptions): Promise<NonNullable<OpenModel['files']>> {
  const { base } = product.manifest;
  if (base === undefined) {
    throw new FiducialError('product.not-one', `${product.ref} is an adapter without a base`, 'Make it again.');
  }
  if ('product' in base) {
    const below = await readProduct(base.product.slice('sha256:'.length), options.store);
    const folder = await below.folder();
    if (below.manifest.kind !== 'adapter') return { folder, adapters: [] };
    const { folder: bottom, adapters } = await baseFolders(below, options);
    return { folder: bottom, adapters: [...adapters, folder] };
  }
  const model = await options.openAddress(base.address);
  const hash = 'weightsHash' in model ? model.weightsHash : undefined;
  const files = 'files' in model ? (model as OpenModel).files : undefined;
  if (hash !== base.hash || files === undefined) {
    throw new FiducialError(
      'product.base-changed',
      `${product.ref} stands on ${base.address} with the hash ${base.hash}, and what is there now has ${String(hash)}`,
      'Put the model back that it was trained on.',
    );
  }
  await (model as OpenModel).close();
  return files;
}

/** Writes a product's files into the cache, whole or not at all. */
async function materialise(ref: Ref, manifest: ProductManifest, store: Store): Promise<string> {
  const folder = join(cacheOf(store), ref.slice('sha256:'.length));
  if (await isThere(folder)) return folder;
  const aside = `${folder}.${randomUUID()}.tmp`;
  await mkdir(aside, { recursive: true });
  try {
    for (const [name, file] of Object.entries(manifest.files)) {
      await writeFile(join(aside, name), await store.artefacts.get(file));
    }
    await rename(aside, folder).catch(async (error: unknown) => {
      // Another process was first; it wrote the same bytes.
      if (!(await isThere(folder))) throw error;
    });
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
  return folder;
}

/** Beside a store that is a folder; for one on a server, a folder of this user's among the temporary files. */
const cacheOf = (store: Store): string =>
  store.dialect === 'sqlite'
    ? join(resolve(store.address), 'cache', 'products')
    : join(tmpdir(), `fiducial-products-${userInfo().username}`);

const isThere = async (folder: string): Promise<boolean> =>
  await stat(folder).then(
    (found) => found.isDirectory(),
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );

/**
 * Writes a product's files into a new folder: a checkpoint or adapter that any other program reads.
 *
 * @returns the product's kind and what it stands on
 * @throws FiducialError `product.exists` for a folder that is there and not empty
 */
export async function saveProduct(hash: string, folder: string, store: Store): Promise<ProductManifest> {
  const product = await readProduct(hash, store);
  await mkdir(folder, { recursive: true });
  if ((await readdir(folder)).length > 0) {
    throw new FiducialError('product.exists', `${folder} is there and not empty`, 'Choose another folder.');
  }
  const from = await product.folder();
  for (const name of Object.keys(product.manifest.files)) await copyFile(join(from, name), join(folder, name));
  return product.manifest;
}
