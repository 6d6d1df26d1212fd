/**
 * Downloads a model from the Hugging Face hub into the local cache; the only code here that uses a network, and only
 * when called.
 *
 * `@huggingface/hub` talks to the hub; the cache layout is huggingface_hub's, so Python finds the files too. The
 * library's own cache download neither resumes nor checks, so files are written here: to `blobs/ETAG.incomplete`, which
 * a later call goes on with, and renamed once length and checksum agree (SHA-256 for large files, git's blob SHA-1 for
 * small ones). `refs/REVISION` is written last, so a half-loaded snapshot is not found as the model.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, mkdir, open, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { downloadFile, listFiles, modelInfo, type ListFileEntry } from '@huggingface/hub';
import { FiducialError, show } from '../../core/errors.ts';
import { hubCacheFolder, isFile, isMissing, isRepositoryId, isRevision, repositoryFolder } from './hub-cache.ts';

/** How far a download is. */
export interface DownloadProgress {
  readonly file: string;
  /** Bytes of this file, and of all files, that are here. */
  readonly fileBytes: number;
  readonly fileSize: number;
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** Where from, where to, and what. */
export interface DownloadOptions {
  /** A branch, tag or commit; `main` unless told. */
  readonly revision?: string;
  /** The cache's folder; by default what the environment says. */
  readonly cacheFolder?: string;
  /** The hub's address; the public one unless told. */
  readonly hubUrl?: string;
  /** A token for gated and private models. */
  readonly accessToken?: string;
  readonly onProgress?: (progress: DownloadProgress) => void;
  readonly signal?: AbortSignal;
}

/** What a model folder is read from; weights in other formats, images and code stay at the hub. */
const WANTED = /^(?:[^/]+\.safetensors|[^/]+\.safetensors\.index\.json|[^/]+\.(?:json|jinja|model|txt))$/;

/**
 * Downloads what `openCheckpoint` reads of the model `id`, and gives the snapshot's folder.
 *
 * @throws FiducialError `checkpoint.download` when the hub can't be reached or refuses, `checkpoint.checksum` when a
 *   file is not what the hub says, `checkpoint.pickled` when the model has no safetensors
 * @example const folder = await downloadModel('openai-community/gpt2', { onProgress: console.log });
 */
export async function downloadModel(id: string, options: DownloadOptions = {}): Promise<string> {
  if (!isRepositoryId(id)) {
    throw new FiducialError('checkpoint.download', `${show(id)} is not a repository id`, 'Give it as org/name.');
  }
  const revision = options.revision ?? 'main';
  if (!isRevision(revision)) throw failed(id, `${show(revision)} is not a branch, tag or commit`);
  const hub = connection(options);
  const { commit, files } = await askHub(id, async () => {
    const { sha } = await modelInfo({ name: id, revision, additionalFields: ['sha'], ...hub });
    const found: ListFileEntry[] = [];
    for await (const entry of listFiles({ repo: id, revision: sha, ...hub })) {
      if (entry.type === 'file' && WANTED.test(entry.path)) found.push(entry);
    }
    return { commit: sha, files: found };
  });
  if (!/^[0-9a-f]{40}$/.test(commit)) throw failed(id, `it names the commit ${show(commit)}`);
  if (!files.some(({ path }) => path.endsWith('.safetensors'))) {
    throw new FiducialError(
      'checkpoint.pickled',
      `${id} at ${revision} has no safetensors weights`,
      'Look for a revision or a copy of the model that has them.',
    );
  }

  const repository = repositoryFolder(id, options.cacheFolder ?? hubCacheFolder());
  const snapshot = join(repository, 'snapshots', commit);
  const totalBytes = files.reduce((sum, { size }) => sum + size, 0);
  let doneBytes = 0;
  for (const entry of files) {
    const before = doneBytes;
    const blob = join(repository, 'blobs', etagOf(id, entry));
    const report = (fileBytes: number): void => {
      const progress = { file: entry.path, fileBytes, fileSize: entry.size, doneBytes: before + fileBytes, totalBytes };
      options.onProgress?.(progress);
    };
    if (!(await isFile(blob))) await fetchBlob(id, commit, entry, blob, hub, report, options.signal);
    await link(blob, join(snapshot, entry.path));
    doneBytes += entry.size;
    report(entry.size);
  }
  if (revision !== commit) {
    const reference = join(repository, 'refs', revision);
    await mkdir(dirname(reference), { recursive: true });
    await writeFile(reference, commit);
  }
  return snapshot;
}

type Connection = ReturnType<typeof connection>;

/** What every call of the library takes. Xet's chunk protocol is left out: plain ranges can be resumed and checked. */
function connection({ hubUrl, accessToken, signal }: DownloadOptions) {
  const abortable: typeof fetch = (input, init) => fetch(input, signal === undefined ? init : { ...init, signal });
  return { ...(hubUrl === undefined ? {} : { hubUrl }), ...(accessToken ? { accessToken } : {}), fetch: abortable };
}

/** The blob's name: the checksum that the hub gives for it. */
function etagOf(id: string, { path, oid, lfs }: ListFileEntry): string {
  const etag = lfs?.oid ?? oid;
  if (etag !== undefined && /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(etag)) return etag;
  throw failed(id, `it gives ${show(etag)} as the checksum of ${path}`);
}

async function fetchBlob(
  id: string,
  commit: string,
  entry: ListFileEntry,
  blob: string,
  hub: Connection,
  report: (bytes: number) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const partial = `${blob}.incomplete`;
  const etag = etagOf(id, entry);
  await mkdir(dirname(blob), { recursive: true });
  const hash = startHash(etag, entry.size);
  let have = await partialBytes(partial);
  if (have > entry.size) {
    await rm(partial);
    have = 0;
  }
  if (have > 0) for await (const chunk of createReadStream(partial)) hash.update(chunk);
  report(have);

  if (have < entry.size) {
    const remote = await askHub(id, () =>
      downloadFile({ repo: id, path: entry.path, revision: commit, xet: false, ...hub }),
    );
    if (remote === null) throw failed(id, `it lists ${entry.path} but does not give it`);
    await using handle = await open(partial, 'a');
    await askHub(id, async () => {
      for await (const chunk of remote.slice(have).stream()) {
        signal?.throwIfAborted();
        await handle.appendFile(chunk);
        hash.update(chunk);
        have += chunk.byteLength;
        report(have);
      }
    });
    await handle.sync();
  }
  const found = hash.digest('hex');
  if (have !== entry.size || found !== etag) {
    if (have >= entry.size) await rm(partial);
    throw new FiducialError(
      'checkpoint.checksum',
      `${id}: ${entry.path} has ${have} bytes and checksum ${found}, the hub says ${entry.size} and ${etag}`,
      `Run it again: fiducial model get ${id}`,
    );
  }
  await rename(partial, blob);
}

/** SHA-256 of the content, or git's SHA-1 of a blob, by the length of what it is compared with. */
function startHash(etag: string, size: number): Hash {
  return etag.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`);
}

async function partialBytes(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isMissing(error)) return 0;
    throw error;
  }
}

/** A relative link, as the cache has it, so that the cache can be moved. */
async function link(blob: string, place: string): Promise<void> {
  await mkdir(dirname(place), { recursive: true });
  try {
    await lstat(place);
    await rm(place);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  await symlink(relative(dirname(place), blob), place);
}

async function askHub<T>(id: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw failed(id, reason, cause);
  }
}

function failed(id: string, reason: string, cause?: unknown): FiducialError {
  return new FiducialError(
    'checkpoint.download',
    `${id} can't be downloaded: ${reason}`,
    `Check the name and the network; for a gated model give a token. What is here already is kept: run it again.`,
    cause === undefined ? {} : { cause },
  );
}
