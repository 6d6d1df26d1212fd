/** Models with open weights: opened from a folder or the hub's cache, in this thread or in a worker, and as AI SDK models. */
export { addOpenModels, type Opener } from './addresses.ts';
export { openModelInWorker, type WorkerModel, type WorkerModelOptions } from './in-worker.ts';
export { aiSdkProvider, type LanguageModel, toLanguageModel } from './language-model.ts';
export type {
  CompletionSettings,
  Embeddings,
  LocalModel,
  OpenModel,
  OpenModelOptions,
  ScoredToken,
} from './local-model.ts';
export { modelOf, openModel } from './open-model.ts';
export type { ChatForm } from './prompt.ts';
export { type Piece, type ReplyFormat, replyFormatOf, ReplyReader, type ToolFormat } from './reply-format.ts';
