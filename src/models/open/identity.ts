/**
 * What an opened model is called in records: where it came from and a hash of what it is, and never a path of this
 * machine. Repositories from the hub's cache are known by their commit; folders are hashed where that takes a moment.
 */
import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { type Checkpoint, hashCheckpoint, resolveModel } from '../../network/checkpoint/index.ts';

/** Weights up to this many bytes are hashed, which takes about a second. */
const MAX_HASHED_BYTES = 1 << 30;

/** What a model is called, and the whole hash of its weights where there is one. */
export interface Identity {
  readonly id: string;
  readonly weightsHash: string | undefined;
}

/**
 * @returns the id `hf:org/name@<commit>`, `folder:<name>@<hash>` or, for large folders, `folder:<name>`; then
 *   `+<adapter>@<hash>`; and the same hashes in full
 */
export async function identityOf(checkpoint: Checkpoint, adapters: readonly string[]): Promise<Identity> {
  const base = await baseIdentity(checkpoint.folder, checkpoint.weightFiles);
  const ids = [base.id];
  const hashes = [base.weightsHash];
  for (const adapter of adapters) {
    const hash = await hashCheckpoint(await resolveModel(adapter));
    ids.push(`${basename(resolve(adapter))}@${shortHash(hash)}`);
    hashes.push(hash);
  }
  return { id: ids.join('+'), weightsHash: base.weightsHash === undefined ? undefined : hashes.join('+') };
}

async function baseIdentity(folder: string, weightFiles: readonly string[]): Promise<Identity> {
  const snapshot = /models--([^/\\]+)[/\\]snapshots[/\\]([0-9a-f]{40})$/.exec(folder);
  if (snapshot !== null) {
    const [, repository, commit] = snapshot as unknown as [string, string, string];
    const name = `hf:${repository.replace('--', '/')}`;
    return { id: `${name}@${commit.slice(0, HASH_DIGITS)}`, weightsHash: `${name}@${commit}` };
  }
  let bytes = 0;
  for (const file of weightFiles) bytes += (await stat(file)).size;
  const name = `folder:${basename(folder)}`;
  if (bytes > MAX_HASHED_BYTES) return { id: name, weightsHash: undefined };
  const hash = await hashCheckpoint(folder);
  return { id: `${name}@${shortHash(hash)}`, weightsHash: hash };
}

const HASH_DIGITS = 12;

const shortHash = (hash: string): string => hash.slice('sha256:'.length, 'sha256:'.length + HASH_DIGITS);
