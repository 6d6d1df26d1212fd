/**
 * What a build keeps while it runs: a folder a model with the newest checkpoint, so that a build that was killed goes
 * on where it stood. A checkpoint belongs to one recipe: another recipe begins anew.
 */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface WorkFolder {
  /** The newest checkpoint of this recipe. */
  load(): Promise<Uint8Array | undefined>;
  save(bytes: Uint8Array): Promise<void>;
  clear(): Promise<void>;
}

/**
 * @param recipe a hash of everything that the training depends on
 * @example const work = await workFolder('/cache/lab/.build', 'base', 'sha256:...');
 */
export async function workFolder(root: string, name: string, recipe: string): Promise<WorkFolder> {
  const folder = join(root, name);
  const short = recipe.replace(/^sha256:/, '').slice(0, 16);
  const file = join(folder, `${short}.checkpoint`);
  await mkdir(folder, { recursive: true });
  return {
    async load() {
      try {
        return await readFile(file);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
    },
    async save(bytes) {
      // Written beside and renamed: a kill leaves the old checkpoint or the new one.
      await writeFile(`${file}.new`, bytes);
      await rename(`${file}.new`, file);
    },
    clear: () => rm(folder, { recursive: true, force: true }),
  };
}
