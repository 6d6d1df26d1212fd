/**
 * What an opened model is called in records: where it came from and a hash of what it is, and never a path of this
 * machine. Repositories from the hub's cache are known by their commit; folders are hashed where that takes a moment.
 */
import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { type Checkpoint, hashCheckpoint, resolveModel } from '../../network/checkpoint/index.ts';

/** Weights up to this many bytes are hashed, which takes about a second. */
const MAX_HASHED_BYTES = 1 << 30;

/**
 * @returns `hf:org/name@<commit>`, `folder:<name>@<hash>` or, for large folders, `folder:<name>`; then `+<adapter>@<hash>`
 */
export async function idOf(checkpoint: Checkpoint, adapters: readonly string[]): Promise<string> {
  const parts = [await nameOf(checkpoint.folder, checkpoint.weightFiles)];
  for (const adapter of adapters) {
    parts.push(`${basename(resolve(adapter))}@${await shortHash(await resolveModel(adapter))}`);
  }
  return parts.join('+');
}

async function nameOf(folder: string, weightFiles: readonly string[]): Promise<string> {
  const snapshot = /models--([^/\\]+)[/\\]snapshots[/\\]([0-9a-f]{40})$/.exec(folder);
  if (snapshot !== null) return `hf:${snapshot[1]!.replace('--', '/')}@${snapshot[2]!.slice(0, HASH_DIGITS)}`;
  let bytes = 0;
  for (const file of weightFiles) bytes += (await stat(file)).size;
  const name = `folder:${basename(folder)}`;
  return bytes > MAX_HASHED_BYTES ? name : `${name}@${await shortHash(folder)}`;
}

const HASH_DIGITS = 12;

const shortHash = async (folder: string): Promise<string> =>
  (await hashCheckpoint(folder)).slice('sha256:'.length, 'sha256:'.length + HASH_DIGITS);
