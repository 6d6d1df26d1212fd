/**
 * The parts of a store's PostgreSQL address: where it is, and the two schemas beside the store's own that workers use.
 *
 * `<schema>_jobs` belongs to DBOS, `<schema>_shared` holds the rates and ledgers of `shared.ts`. The address may hold a
 * password, so it is never shown; the store's own `address` is.
 */
import { FiducialError } from '../../core/errors.ts';

export interface Place {
  /** The address without `schema`, as drivers read it. */
  readonly url: string;
  readonly jobsSchema: string;
  readonly sharedSchema: string;
}

/**
 * @throws FiducialError `worker.needs-postgres` for a store that is a folder
 * @example placeOf('postgres://me@db/lab?schema=team').jobsSchema // 'team_jobs'
 */
export function placeOf(address: string): Place {
  if (!/^postgres(ql)?:\/\//.test(address)) {
    throw new FiducialError(
      'worker.needs-postgres',
      'Workers share a store on a PostgreSQL server, and this store is a folder',
      'Name one: --store postgres://user@host/database. In one process, fiducial run needs no worker.',
    );
  }
  const url = new URL(address);
  const schema = url.searchParams.get('schema') ?? 'fiducial';
  url.searchParams.delete('schema');
  return { url: url.toString(), jobsSchema: `${schema}_jobs`, sharedSchema: `${schema}_shared` };
}
