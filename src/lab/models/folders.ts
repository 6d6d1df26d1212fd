/**
 * Where the lab's models lie: those of the repository in `lab/`, beside `src/` or `dist/`, and those that were built
 * for calibrations in a cache outside of it. A model is a folder with a manifest.
 */
import { readdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Manifest, MANIFEST, readManifest } from '../organisms/manifest.ts';

export interface LabModelEntry {
  readonly folder: string;
  readonly manifest: Manifest;
}

/** The models that come with the package. */
export const SHIPPED_FOLDER = fileURLToPath(new URL('../../../lab/', import.meta.url));

/** Models built on this machine: FIDUCIAL_LAB, or a folder in the user's cache. */
export function cacheFolder(): string {
  const told = process.env['FIDUCIAL_LAB'];
  if (told !== undefined && told !== '') return told;
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'fiducial', 'lab');
}

/**
 * Every model in a folder of models, by name; none where the folder is absent.
 *
 * @throws FiducialError `lab.manifest` for a manifest that cannot be read
 */
export async function modelsIn(folder: string): Promise<Map<string, LabModelEntry>> {
  const found = new Map<string, LabModelEntry>();
  for (const name of await names(folder)) {
    const own = join(folder, name);
    if ((await names(own)).includes(MANIFEST)) found.set(name, { folder: own, manifest: await readManifest(own) });
  }
  return found;
}

/** The models of the package and those of the cache; the package's win. */
export async function allModels(): Promise<Map<string, LabModelEntry>> {
  return new Map([...(await modelsIn(cacheFolder())), ...(await modelsIn(SHIPPED_FOLDER))]);
}

async function names(folder: string): Promise<string[]> {
  const entries = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
    throw error;
  });
  // Folders being written begin with a dot.
  return entries.filter((name) => !basename(name).startsWith('.')).sort();
}
