/**
 * What a product of a run is: a manifest, kept as JSON under its content's hash, of a kind, the files it is made of and
 * the model it stands on. Its reference is the product's name everywhere: `--target artefact:<hash>`. A kind is opened
 * by the table in the workbench's products.ts.
 */
import { z } from 'zod';
import type { Json, Ref } from '../../core/values.ts';

const ref = z.custom<Ref>((value) => typeof value === 'string' && /^sha256:[0-9a-f]{64}$/.test(value), {
  error: 'not a reference',
});

/** The model under a product: a product itself, or a model by address whose weights must have this hash. */
const base = z.union([
  z.strictObject({ product: ref }),
  z.strictObject({ address: z.string().min(1), hash: z.string().min(1) }),
]);

export const productManifest = z.strictObject({
  fiducial: z.literal('product-1'),
  /** `checkpoint`, `adapter`, or what another table line opens. */
  kind: z.string().regex(/^[a-z][a-z-]*$/),
  base: base.optional(),
  /** Files by name, as they lie in the folder that is opened. */
  files: z.record(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'not the name of a file'), ref),
  /** What the kind needs to know besides. */
  settings: z.json().optional(),
});

export interface ProductManifest {
  readonly fiducial: 'product-1';
  readonly kind: string;
  readonly base?: ProductBase | undefined;
  readonly files: Readonly<Record<string, Ref>>;
  readonly settings?: Json | undefined;
}
export type ProductBase = { readonly product: Ref } | { readonly address: string; readonly hash: string };

/** How bytes are kept: `keep` of a method's context. */
export type Keep = (name: string, bytes: Uint8Array | string, type: string) => Promise<Ref>;

/** Keeps a manifest; its reference is the product. */
export async function keepManifest(
  keep: Keep,
  name: string,
  manifest: Omit<ProductManifest, 'fiducial'>,
): Promise<Ref> {
  const whole: ProductManifest = { fiducial: 'product-1', ...manifest };
  return await keep(name, JSON.stringify(whole), 'application/json');
}
