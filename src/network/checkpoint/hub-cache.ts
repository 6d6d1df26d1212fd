/**
 * Finds a model on this machine: a local folder, or a repository id in the Hugging Face cache. No network.
 *
 * The cache layout is huggingface_hub's ("Understand caching" in its documentation):
 * `models--ORG--NAME/{refs/BRANCH, snapshots/COMMIT/FILE -> ../../blobs/ETAG}`, under `HF_HUB_CACHE`, else
 * `HF_HOME/hub`, else `XDG_CACHE_HOME/huggingface/hub`, else `~/.cache/huggingface/hub`.
 */
import { readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { FiducialError, show } from '../../core/errors.ts';

/** Where to look. */
export interface ResolveOptions {
  /** A branch, tag or commit of the repository; `main` unless told. */
  readonly revision?: string;
  /** The cache's folder; by default what the environment says. */
  readonly cacheFolder?: string;
}

/** The folder of the Hugging Face cache, by the environment's `HF_HUB_CACHE`, `HF_HOME` and `XDG_CACHE_HOME`. */
export function hubCacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  if (environment.HF_HUB_CACHE) return environment.HF_HUB_CACHE;
  if (environment.HF_HOME) return join(environment.HF_HOME, 'hub');
  return join(environment.XDG_CACHE_HOME || join(homedir(), '.cache'), 'huggingface', 'hub');
}

/** Whether `id` has the form of a repository id: `name` or `org/name`, in the characters that the hub allows. */
export function isRepositoryId(id: string): boolean {
  return /^(?:[\w-][\w.-]{0,95}\/)?[\w-][\w.-]{0,95}$/.test(id) && !id.includes('..') && !id.includes('--');
}

/** Whether `revision` can name a branch, tag or commit, and can't lead out of the cache's folders. */
export function isRevision(revision: string): boolean {
  return /^[\w.+@-]+(?:\/[\w.+@-]+)*$/.test(revision) && !revision.split('/').some((part) => /^\.+$/.test(part));
}

/** The folder of one repository inside the cache. */
export function repositoryFolder(id: string, cacheFolder: string): string {
  return join(cacheFolder, `models--${id.replaceAll('/', '--')}`);
}

/**
 * The folder on disk that `idOrFolder` means: itself when it is a folder, else the snapshot in the cache.
 *
 * @throws FiducialError `checkpoint.absent` when neither exists, with the command that downloads it
 * @example await resolveModel('Qwen/Qwen2.5-0.5B'); // ~/.cache/huggingface/hub/models--Qwen--Qwen2.5-0.5B/snapshots/...
 */
export async function resolveModel(idOrFolder: string, options: ResolveOptions = {}): Promise<string> {
  if (await isFolder(idOrFolder)) return resolve(idOrFolder);
  if (await isFile(idOrFolder)) {
    throw new FiducialError(
      'checkpoint.absent',
      `${idOrFolder} is a file; a model is a folder with config.json and safetensors weights`,
      /\.(bin|pt|pth|ckpt)$/.test(idOrFolder) ? pickleHint(idOrFolder) : 'Give the folder that holds it.',
    );
  }
  if (!isRepositoryId(idOrFolder)) {
    throw new FiducialError(
      'checkpoint.absent',
      `${show(idOrFolder)} is neither a folder here nor a repository id of the form org/name`,
      'Check the path.',
    );
  }
  const cacheFolder = options.cacheFolder ?? hubCacheFolder();
  const repository = repositoryFolder(idOrFolder, cacheFolder);
  const revision = options.revision ?? 'main';
  const commit = await commitOf(repository, revision);
  const snapshot = join(repository, 'snapshots', commit);
  if (await isFolder(snapshot)) return snapshot;
  throw new FiducialError(
    'checkpoint.absent',
    `${show(idOrFolder)} at ${show(revision)} is neither a folder here nor in the Hugging Face cache ${cacheFolder}`,
    `Download it where there is a network: fiducial model get ${idOrFolder}`,
  );
}

/** How to turn a pickled file into safetensors, for hints. */
export function pickleHint(file: string): string {
  return (
    'Pickled weights can run code when opened, so they are not read here. Convert them once in Python: ' +
    `import torch; from safetensors.torch import save_file; ` +
    `save_file({k: v.contiguous().clone() for k, v in torch.load(${JSON.stringify(file)}, map_location="cpu", ` +
    `weights_only=True).items()}, "model.safetensors", metadata={"format": "pt"})`
  );
}

async function commitOf(repository: string, revision: string): Promise<string> {
  if (!isRevision(revision)) {
    throw new FiducialError(
      'checkpoint.absent',
      `revision ${show(revision)} is not a branch, tag or commit`,
      'Name one that the repository has.',
    );
  }
  try {
    const commit = (await readFile(join(repository, 'refs', revision), 'utf8')).trim();
    if (/^[0-9a-f]{6,64}$/.test(commit)) return commit;
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  return revision;
}

export async function isFolder(path: string): Promise<boolean> {
  return (await statOf(path))?.isDirectory() ?? false;
}

export async function isFile(path: string): Promise<boolean> {
  return (await statOf(path))?.isFile() ?? false;
}

async function statOf(path: string): Promise<Awaited<ReturnType<typeof stat>> | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Whether a file system error only says that nothing is there under that name. */
export function isMissing(error: unknown): boolean {
  const code = systemCode(error);
  return (
    code === 'ENOENT' ||
    code === 'ENOTDIR' ||
    code === 'ENAMETOOLONG' ||
    code === 'EISDIR' ||
    code === 'ERR_INVALID_ARG_VALUE'
  );
}

/** The operating system's word for an error (`ENOENT`), where it has one. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
