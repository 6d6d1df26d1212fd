/** The words for a run's status, read from a flag with the nearest correct one. */
import { FiducialError, nearestWord, show } from '../core/errors.ts';
import type { RunStatus } from '../store/index.ts';

export const statuses: readonly RunStatus[] = ['created', 'running', 'waiting', 'stopped', 'failed', 'done'];

/** @throws FiducialError `cli.bad-flag` */
export function statusOf(word: string): RunStatus {
  const found = statuses.find((each) => each === word);
  if (found !== undefined) return found;
  const meant = nearestWord(word, statuses);
  throw new FiducialError(
    'cli.bad-flag',
    `${show(word)} is no status`,
    meant === undefined ? `Choose one of ${statuses.join(', ')}.` : `Did you mean ${meant}?`,
  );
}
