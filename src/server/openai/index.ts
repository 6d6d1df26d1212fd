/** An OpenAI-compatible endpoint over any models. */
export { KEYS_VARIABLE, readKeys } from './keys.ts';
export { type ModelServer, serveModels, type ServeLimits, type ServeOptions } from './serve.ts';
