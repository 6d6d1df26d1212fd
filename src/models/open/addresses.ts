/**
 * Addresses of open models: `folder:./path`, `hf:org/name` from the local cache, and bare paths of model folders.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FiducialError, show } from '../../core/errors.ts';
import { isRepositoryId } from '../../network/checkpoint/index.ts';
import type { Registry } from '../resolve.ts';
import type { LocalModel, OpenModelOptions } from './local-model.ts';
import { openModel } from './open-model.ts';

/** Opens the model of an address; in this thread or in a worker. */
export type Opener = (folderOrId: string, options?: OpenModelOptions) => Promise<LocalModel>;

/**
 * Teaches a registry the addresses of open models.
 *
 * @param open `openModel` unless told; a server gives `openModelInWorker`
 * @example
 * const registry = createRegistry();
 * addOpenModels(registry);
 * const model = await registry.resolve('folder:./qwen');
 */
export function addOpenModels(registry: Registry, open: Opener = openModel, options: OpenModelOptions = {}): void {
  registry.add('folder', {
    form: 'folder:<model folder>',
    resolve: (folder) => open(folder, { ...options, address: `folder:${folder}` }),
  });
  registry.add('hf', {
    form: 'hf:<org>/<name>',
    resolve(id) {
      if (isRepositoryId(id)) return open(id, { ...options, address: `hf:${id}` });
      throw new FiducialError(
        'model.invalid-address',
        `hf:${id}: ${show(id)} is no repository id`,
        'Write hf:<org>/<name>; a folder on this machine is folder:<path>.',
      );
    },
  });
  registry.addPaths({
    form: '<model folder>',
    accepts: isModelFolder,
    resolve: (folder) => open(folder, { ...options, address: `folder:${folder}` }),
  });
}

async function isModelFolder(path: string): Promise<boolean> {
  const found = await stat(join(path, 'config.json')).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR' || error.code === 'ENAMETOOLONG') return undefined;
    throw error;
  });
  return found?.isFile() === true;
}
