/** What the routes work with. */
import type { Store } from '../../store/index.ts';
import type { Config } from '../../workbench/config.ts';
import type { Audit } from '../access/audit.ts';
import type { Hub } from '../live/hub.ts';
import type { Jobs } from '../jobs/jobs.ts';

export interface ApiParts {
  readonly store: Store;
  readonly config: Config;
  readonly jobs: Jobs;
  readonly audit: Audit;
  /** The tail of one run, or of all. */
  readonly hubOf: (run?: string) => Hub;
  /** Reached by other machines: files and programs of this one are not for whoever may log in. */
  readonly isOpen: boolean;
  /** Aborts when the server ends. */
  readonly stopping: AbortSignal;
}
