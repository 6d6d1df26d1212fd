/** Where this machine cannot run PostgreSQL, what needs it is skipped, and the reason is printed where nobody misses it. */
import type { PostgresServer } from '../postgres.ts';

export async function postgresOrSkip(start: () => Promise<PostgresServer>): Promise<PostgresServer | undefined> {
  try {
    return await start();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    console.error(`\n  SKIPPED: workers over PostgreSQL are NOT tested here: ${reason}\n`);
    return undefined;
  }
}
