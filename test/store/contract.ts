/**
 * What every store must do, whichever engine is under it: a suite that `src/store/sqlite.test.ts` and
 * `src/store/postgres.test.ts` run.
 *
 * A place gives each test an empty address and opens it any number of times, as several processes would. What only one
 * engine can show (a full disk, a crashed server) is in that engine's own test file.
 */
import { describe } from 'vitest';
import { exportContract } from './exports.ts';
import { identityContract } from './identity.ts';
import { artefactContract, leaseContract } from './leases.ts';
import { logContract } from './log.ts';
import { onceContract } from './once.ts';
import type { NewPlace } from './place.ts';
import { retentionContract } from './retention.ts';
import { trialContract } from './trials.ts';

export function storeContract(name: string, newPlace: NewPlace): void {
  describe(name, () => {
    identityContract(newPlace);
    onceContract(newPlace);
    logContract(newPlace);
    leaseContract(newPlace);
    artefactContract(newPlace);
    trialContract(newPlace);
    retentionContract(newPlace);
    exportContract(newPlace);
  });
}
