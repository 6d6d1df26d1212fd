/**
 * Bearer keys: where they come from, and whether a request has one. Keys are compared by their digests, all of them each
 * time, so that the time of an answer tells nothing about them.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { FiducialError } from '../../core/errors.ts';

/** The environment variable with keys, parted by commas. */
export const KEYS_VARIABLE = 'FIDUCIAL_SERVER_KEYS';

const LEAST_LENGTH = 16;

/**
 * Keys from the environment and from a file with one a line; blank lines and lines that begin with `#` are skipped.
 *
 * @throws FiducialError `server.key` for a file that can't be read or holds no key, and for a key that is too short
 */
export async function readKeys(
  file: string | undefined,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<string[]> {
  const keys = (environment[KEYS_VARIABLE] ?? '').split(',');
  if (file !== undefined) {
    let text: string;
    try {
      text = await readFile(file, 'utf8');
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new FiducialError('server.key', `The key file can't be read: ${reason}`, 'Check the path.', { cause });
    }
    const own = text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'));
    if (own.length === 0) {
      throw new FiducialError(
        'server.key',
        `${file} holds no key`,
        'Write one key a line, for example from: openssl rand -hex 32',
      );
    }
    keys.push(...own);
  }
  const all = keys.map((key) => key.trim()).filter((key) => key !== '');
  checkKeys(all);
  return all;
}

/** @throws FiducialError `server.key` for a key that can be guessed or not be sent */
export function checkKeys(keys: readonly string[]): void {
  const at = keys.findIndex((key) => key.length < LEAST_LENGTH || !/^[\x21-\x7e]+$/.test(key));
  if (at < 0) return;
  throw new FiducialError(
    'server.key',
    `Key ${at + 1} has ${keys[at]!.length} characters, or some that a header can't carry`,
    `Take ${LEAST_LENGTH} visible ASCII characters or more, for example from: openssl rand -hex 32`,
  );
}

/** Tells whether an `Authorization` header holds one of the keys. */
export function keyCheck(keys: readonly string[]): (header: string | undefined) => boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  const known = keys.map(digest);
  return (header) => {
    const given = digest(/^bearer +(\S+) *$/i.exec(header ?? '')?.[1] ?? '');
    let isKnown = false;
    for (const one of known) isKnown = timingSafeEqual(one, given) || isKnown;
    return isKnown;
  };
}
