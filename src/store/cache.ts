/**
 * Replies by the hash of what was asked, in scopes, with an expiry.
 *
 * A cache and not a record: entries may be cleared at any time, and no figure depends on one being there. What a run
 * was told is in its log, whether it came from here or not.
 */
import type { Json } from '../core/values.ts';
import type { Committer } from './commit.ts';
import type { Database } from './database.ts';
import { canonicalJson, cleanJson, cleanName, type Redact, sha256 } from './json.ts';
import type { ResponseCache } from './store.ts';

export class CacheStore implements ResponseCache {
  readonly #database: Database;
  readonly #committer: Committer;
  readonly #redact: Redact | undefined;
  readonly #now: () => number;

  constructor(database: Database, committer: Committer, redact: Redact | undefined, now: () => number) {
    this.#database = database;
    this.#committer = committer;
    this.#redact = redact;
    this.#now = now;
  }

  async get(scope: string, key: Json): Promise<Json | undefined> {
    const rows = await this.#database.all<{ value: string; expires_at: number | null }>(
      'SELECT value, expires_at FROM cache WHERE scope = $1 AND key = $2',
      [cleanName('The scope', scope, this.#redact), hashOf(key)],
    );
    const row = rows[0];
    if (row === undefined || (row.expires_at !== null && row.expires_at <= this.#now())) return undefined;
    return JSON.parse(row.value) as Json;
  }

  async set(scope: string, key: Json, value: Json, options: { readonly lifetimeMs?: number } = {}): Promise<void> {
    const atMs = this.#now();
    await this.#committer.cache({
      scope: cleanName('The scope', scope, this.#redact),
      key: hashOf(key),
      value: JSON.stringify(cleanJson(value, this.#redact)),
      atMs,
      expiresAtMs: options.lifetimeMs === undefined ? null : atMs + options.lifetimeMs,
    });
  }

  async clear(scope?: string): Promise<number> {
    return await this.#database.transaction((tx) =>
      scope === undefined
        ? tx.run('DELETE FROM cache WHERE expires_at <= $1', [this.#now()])
        : tx.run('DELETE FROM cache WHERE scope = $1', [cleanName('The scope', scope, this.#redact)]),
    );
  }
}

// The key is not redacted: it is stored as a hash only, and two questions that differ in a secret are two questions.
function hashOf(key: Json): string {
  return sha256(canonicalJson(cleanJson(key, undefined)));
}
