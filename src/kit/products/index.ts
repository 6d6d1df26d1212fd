/** What runs leave behind that opens again: trained checkpoints and adapters, and the manifest that names them. */
export { type Keep, keepManifest, type ProductBase, productManifest, type ProductManifest } from './manifest.ts';
export { keepBase, type KeepModelOptions, keepTrained } from './models.ts';
