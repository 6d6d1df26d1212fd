/** The public names of the server layer. */
export {
  KEYS_VARIABLE,
  type ModelServer,
  readKeys,
  serveModels,
  type ServeLimits,
  type ServeOptions,
} from './openai/index.ts';
