/**
 * Bytes by their SHA-256: small ones in a table, large ones as files (or as chunks, where machines share no folder).
 *
 * Writing is atomic: a file is written aside, flushed, and renamed under the write lock in the transaction that makes
 * its row, so that a collector can't remove it in between. Reading checks the hash. Text is scanned for the addresses
 * of other artefacts, which it then keeps alive.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { mkdir, open, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FiducialError } from '../core/errors.ts';
import type { Json, Ref } from '../core/values.ts';
import type { ArtefactWrite } from './artefact-write.ts';
import { type Committer, numberArtefacts } from './commit.ts';
import { bytesOf, type Database } from './database.ts';
import { canonicalJson, cleanJson, cleanName, hexOf, type Redact, refsIn, sha256, toRef } from './json.ts';
import type { ArtefactInfo, Artefacts } from './store.ts';

export interface ArtefactOptions {
  readonly redact: Redact | undefined;
  readonly inlineBytes: number;
  /** Where large ones lie as files; without it they are chunks in the database. */
  readonly folder: string | undefined;
}

/** An artefact on its way: its address is known, its row is not yet written. */
export interface Prepared {
  readonly ref: Ref;
  readonly write: ArtefactWrite;
}

export class ArtefactStore implements Artefacts {
  readonly #database: Database;
  readonly #committer: Committer;
  readonly #options: ArtefactOptions;

  constructor(database: Database, committer: Committer, options: ArtefactOptions) {
    this.#database = database;
    this.#committer = committer;
    this.#options = options;
  }

  get folder(): string | undefined {
    return this.#options.folder;
  }

  async put(bytes: Uint8Array, type: string): Promise<Ref> {
    return await this.#commit(await this.prepare(bytes, type));
  }

  async putJson(value: Json): Promise<Ref> {
    const text = canonicalJson(cleanJson(value, this.#options.redact));
    return await this.#commit(await this.#prepare(Buffer.from(text), 'application/json', refsIn(text)));
  }

  /** Stores JSON as a transcript of the run with this number. */
  async putTranscript(value: Json, run: number): Promise<Ref> {
    return await this.#commit(await this.prepareTranscript(value, run));
  }

  async #commit(prepared: Prepared): Promise<Ref> {
    await this.#committer.artefact(prepared.write);
    return prepared.ref;
  }

  /** As {@link prepare}, for what a run said and was told. Not sorted: nobody needs its hash, and it is most of a log. */
  prepareTranscript(value: Json, run?: number): Promise<Prepared> {
    const text = JSON.stringify(cleanJson(value, this.#options.redact));
    return this.#prepare(Buffer.from(text), 'application/json', refsIn(text), run);
  }

  /** Redacts and hashes bytes. What is left to commit can go into the transaction of the event that refers to them. */
  prepare(bytes: Uint8Array, type: string, transcriptOf?: number): Promise<Prepared> {
    if (!isText(type)) return this.#prepare(bytes, type, [], transcriptOf);
    const text = this.#cleanText(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'), type);
    // Untouched text keeps its very bytes, even where they are not quite UTF-8.
    const kept = this.#options.redact === undefined ? bytes : Buffer.from(text);
    return this.#prepare(kept, type, refsIn(text), transcriptOf);
  }

  #cleanText(text: string, type: string): string {
    const { redact } = this.#options;
    if (redact === undefined) return text;
    if (!type.endsWith('json')) return redact(text);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      // Said to be JSON and is not: redacted as the text that it is.
      return redact(text);
    }
    // Inside JSON a secret may be escaped, so the strings are redacted and not the text.
    return JSON.stringify(cleanJson(value, redact));
  }

  async #prepare(bytes: Uint8Array, type: string, mentions: string[], transcriptOf?: number): Promise<Prepared> {
    const hex = sha256(bytes);
    const ref = toRef(hex);
    const common = { hex, size: bytes.length, type, mentions, ...(transcriptOf === undefined ? {} : { transcriptOf }) };
    const { inlineBytes, folder } = this.#options;
    if (bytes.length <= inlineBytes) return { ref, write: { ...common, bytes, place: 'row' } };
    if (folder !== undefined) {
      return { ref, write: { ...common, bytes: null, place: 'file', settle: await prepareFile(folder, hex, bytes) } };
    }
    return { ref, write: { ...common, bytes, place: 'chunks' } };
  }

  async get(ref: Ref): Promise<Uint8Array> {
    const hex = hexOf(ref);
    const rows = await this.#database.all<{ number: number; place: string; bytes: unknown; purged_at: number | null }>(
      'SELECT number, place, bytes, purged_at FROM artefact WHERE ref = $1',
      [hex],
    );
    const row = rows[0];
    if (row === undefined || row.place === 'absent') {
      throw new FiducialError(
        'store.missing',
        `There is no artefact ${ref} in ${this.#database.address}.`,
        'Import the run that made it, or make it again.',
      );
    }
    if (row.purged_at !== null) {
      throw new FiducialError(
        'store.purged',
        `The text of ${ref} was purged on ${new Date(row.purged_at).toISOString().slice(0, 10)}.`,
        'Its figures are kept; to read the text again, import an older export of the run.',
      );
    }
    const bytes = await this.#read(hex, row);
    const found = sha256(bytes);
    if (found !== hex) {
      throw new FiducialError(
        'store.corrupt',
        `The bytes of ${ref} have changed: they hash to ${found}.`,
        'Restore the store from a copy, or import an export of the run; fiducial doctor lists everything that is damaged.',
      );
    }
    // Plain bytes from every place, not one driver's Buffer.
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  async #read(
    hex: string,
    { number, place, bytes }: { readonly number: number; readonly place: string; readonly bytes: unknown },
  ): Promise<Uint8Array> {
    if (place === 'row') return bytesOf(bytes);
    if (place === 'chunks') {
      const chunks = await this.#database.all<{ bytes: unknown }>(
        'SELECT bytes FROM chunk WHERE artefact = $1 ORDER BY part',
        [number],
      );
      return Buffer.concat(chunks.map((chunk) => bytesOf(chunk.bytes)));
    }
    const { folder } = this.#options;
    if (folder === undefined) {
      throw new FiducialError(
        'store.missing',
        `The bytes of sha256:${hex} lie in a folder, and none was named.`,
        'Open the store with the shared folder that it was written with.',
      );
    }
    const path = pathOf(folder, hex);
    try {
      return await readFile(path);
    } catch (error) {
      throw new FiducialError(
        'store.corrupt',
        `The file of sha256:${hex} cannot be read: ${(error as Error).message}`,
        `Restore ${path} from a copy.`,
        { cause: error },
      );
    }
  }

  async getJson(ref: Ref): Promise<Json> {
    const bytes = await this.get(ref);
    try {
      return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')) as Json;
    } catch (error) {
      throw new FiducialError('store.not-json', `The artefact ${ref} is not JSON.`, 'Read it with get().', {
        cause: error,
      });
    }
  }

  async info(ref: Ref): Promise<ArtefactInfo | undefined> {
    const rows = await this.#database.all<{ size: number; type: string; purged_at: number | null }>(
      `SELECT size, type, purged_at FROM artefact WHERE ref = $1 AND place <> 'absent'`,
      [hexOf(ref)],
    );
    const row = rows[0];
    if (row === undefined) return undefined;
    return { ref, bytes: row.size, type: row.type, ...(row.purged_at === null ? {} : { purgedAtMs: row.purged_at }) };
  }

  async pin(name: string, ref: Ref | undefined): Promise<void> {
    const clean = cleanName('The pin', name, this.#options.redact);
    await this.#database.transaction(async (tx) => {
      await tx.run('DELETE FROM pin WHERE name = $1', [clean]);
      if (ref === undefined) return;
      const hex = hexOf(ref);
      const numbers = await numberArtefacts(tx, [hex]);
      await tx.run('INSERT INTO pin (name, artefact) VALUES ($1, $2)', [clean, numbers.get(hex)!]);
    });
  }

  async pinned(): Promise<{ readonly [name: string]: Ref }> {
    const rows = await this.#database.all<{ name: string; ref: string }>(
      'SELECT name, ref FROM pin JOIN artefact ON number = artefact ORDER BY name',
    );
    return Object.fromEntries(rows.map((row) => [row.name, toRef(row.ref)]));
  }
}

/** Whether artefacts of this media type are text, which is redacted and scanned for addresses. */
export function isText(type: string): boolean {
  return /^text\/|^application\/(.*[+.-])?(jsonl?|json-lines|ndjson|yaml|xml|javascript)\b/.test(type);
}

export function pathOf(folder: string, hex: string): string {
  return join(folder, hex.slice(0, 2), hex.slice(2));
}

/** Writes the bytes aside and flushes them; the returned function puts the file at its place at once. */
async function prepareFile(folder: string, hex: string, bytes: Uint8Array): Promise<() => void> {
  const path = pathOf(folder, hex);
  const aside = join(folder, 'tmp', randomUUID());
  try {
    await mkdir(dirname(aside), { recursive: true });
    const file = await open(aside, 'wx');
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    await rm(aside, { force: true });
    throw fileError(error, aside);
  }
  return () => {
    try {
      // A transaction that is run again has already moved it.
      if (!existsSync(aside) && existsSync(path)) return;
      mkdirSync(dirname(path), { recursive: true });
      renameSync(aside, path);
    } catch (error) {
      throw fileError(error, path);
    }
  };
}

const fullCodes = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

function fileError(error: unknown, path: string): FiducialError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (fullCodes.has(code)) {
    return new FiducialError(
      'store.full',
      `The disk that holds ${path} takes no more bytes.`,
      'Free some space (fiducial gc, fiducial purge) and run the same command again: what was recorded is kept.',
      { cause: error },
    );
  }
  return new FiducialError(
    'store.unwritable',
    `${path} cannot be written: ${error instanceof Error ? error.message : String(error)}`,
    'Check who owns the folder.',
    { cause: error },
  );
}
