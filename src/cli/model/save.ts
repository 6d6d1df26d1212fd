/** `fiducial model save`: a product of a run as a folder in Hugging Face's or PEFT's layout. */
import { FiducialError, show } from '../../core/errors.ts';
import { productRef, saveProduct } from '../../workbench/products.ts';
import { print, type StoreFlags, withStore } from '../session.ts';

/** Writes the product at `address` into `folder`. */
export async function saveModel(address: string, folder: string, flags: StoreFlags): Promise<void> {
  const hash = productRef(address);
  if (hash === undefined) {
    throw new FiducialError(
      'product.bad-address',
      `${show(address)} is no address of a product`,
      'Write artefact:<hash>, as `fiducial show <run>` shows it.',
    );
  }
  await withStore(flags, async ({ store, isJson }) => {
    const { kind, base, files } = await saveProduct(hash, folder, store);
    print(isJson, { folder, kind, base: base ?? null, files: Object.keys(files) }, () => [
      `${folder}: ${kind === 'adapter' ? 'an adapter' : `a ${kind}`}, ${Object.keys(files).join(', ')}`,
      ...(base === undefined
        ? []
        : [
            'product' in base
              ? `Its base: fiducial model save artefact:${base.product.slice('sha256:'.length)} <folder>`
              : `Its base: ${base.address}, with the hash ${base.hash}`,
          ]),
    ]);
  });
}
