/**
 * Who did what and when, one JSON line each: logins, refusals, and every request that changes something or talks to a
 * model. Bodies are not in it: they may hold what must not be kept twice.
 */
import { appendFile } from 'node:fs/promises';

export interface AuditEntry {
  readonly who: string;
  readonly role: string;
  readonly from: string;
  readonly did: string;
  readonly status: number;
}

export interface Audit {
  write(entry: AuditEntry): void;
  /** Resolves when everything that was written before is on disk. */
  settled(): Promise<void>;
}

/**
 * @param onError hears of lines that could not be written
 */
export function openAudit(path: string, onError: (error: unknown) => void): Audit {
  let writing: Promise<void> = Promise.resolve();
  return {
    write(entry) {
      const line = `${JSON.stringify({ at: new Date().toISOString(), ...entry })}\n`;
      writing = writing.then(() => appendFile(path, line, { mode: 0o600 })).catch(onError);
    },
    settled: () => writing,
  };
}
