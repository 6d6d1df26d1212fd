/** The store over PostgreSQL: the contract, and what only a server can show. */
import { afterAll, describe, it } from 'vitest';
import { type PostgresServer, startPostgres } from '../../test/postgres.ts';
import { storeContract } from './contract.ts';
import { openStore } from './index.ts';

let server: PostgresServer | undefined;
let reason = '';
try {
  server = await startPostgres();
} catch (error) {
  reason = error instanceof Error ? error.message : String(error);
}
afterAll(() => server?.stop());

let schemas = 0;

if (server === undefined) {
  console.warn(`The tests over PostgreSQL did NOT run: ${reason}`);
  describe('PostgreSQL', () => it.skip(`cannot run here: ${reason}`, () => undefined));
} else {
  const { address } = server;
  storeContract('PostgreSQL', async () => {
    const place = `${address}?schema=test_${++schemas}`;
    return { address: place, open: (options) => openStore({ ...options, address: place }) };
  });
}
