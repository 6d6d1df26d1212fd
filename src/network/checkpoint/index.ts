/** Checkpoints on disk: safetensors files, Hugging Face folders, the local cache, and downloads. */
export { bfloat16Bits, float16Bits, narrowBfloat16, narrowFloat16, widenBfloat16, widenFloat16 } from './half.ts';
export { DTYPE_BYTES, type Dtype, type TensorEntry } from './header.ts';
export {
  openSafetensors,
  readFloat32,
  readSafetensorsBytes,
  readTensor,
  safetensorsBytes,
  writeSafetensors,
  type SafetensorsFile,
  type TensorToWrite,
} from './safetensors.ts';
export {
  isAdapterFolder,
  openAdapter,
  openCheckpoint,
  readChatTemplate,
  readJsonObject,
  readOptionalJsonObject,
  type AdapterCheckpoint,
  type Checkpoint,
  type JsonObject,
} from './folder.ts';
export { hubCacheFolder, isRepositoryId, resolveModel, type ResolveOptions } from './hub-cache.ts';
export { hashCheckpoint, saveAdapter, saveCheckpoint, type AdapterToSave, type CheckpointToSave } from './save.ts';
export { downloadModel, type DownloadOptions, type DownloadProgress } from './download.ts';
