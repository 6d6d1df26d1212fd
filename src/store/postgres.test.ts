/** The store over PostgreSQL: the contract, and what only a server can show. */
import pg from 'pg';
import { afterAll, describe, expect, it } from 'vitest';
import { type PostgresServer, startPostgres } from '../../test/postgres.ts';
import { storeContract } from '../../test/store/contract.ts';
import { spec } from '../../test/store/place.ts';
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
  serverContract(server);
}

function serverContract(server: PostgresServer): void {
  const newAddress = () => `${server.address}?schema=test_${++schemas}`;

  describe('a server that is killed and comes back', () => {
    it('loses nothing, repeats nothing, and the writers go on by themselves', async () => {
      const address = newAddress();
      const stores = [await openStore({ address }), await openStore({ address })];
      const runs = await Promise.all(stores.map(async (store) => (await store.open(spec())).run));
      const state = { isOver: false };
      const acknowledged = [0, 0];
      const writers = runs.map(async (run, who) => {
        while (!state.isOver) {
          const i = acknowledged[who]!;
          await run.append({ kind: 'note', data: { who, i } });
          await run.recordTrial('s', { item: `${who}.${i}`, status: 'measured', value: i });
          acknowledged[who] = i + 1;
        }
      });
      for (let crash = 0; crash < 3; crash++) {
        const before = [...acknowledged];
        while (acknowledged.some((count, who) => count < before[who]! + 15))
          await new Promise((done) => setTimeout(done, 5));
        await server.crash();
        await server.restart();
      }
      state.isOver = true;
      await Promise.all(writers);
      const notes = (await runs[0]!.events({ kinds: ['note'], limit: 10_000 })).map(
        (event) => event.data as { who: number; i: number },
      );
      for (const who of [0, 1]) {
        const own = notes.filter((note) => note.who === who).map((note) => note.i);
        expect(own).toEqual(Array.from({ length: acknowledged[who]! }, (_, i) => i));
      }
      expect((await runs[0]!.info()).trials.measured).toBe(acknowledged[0]! + acknowledged[1]!);
      expect(await stores[0]!.verify()).toEqual([]);
      for (const store of stores) await store.close();
    });

    it('is said to be gone when it stays away', async () => {
      const address = newAddress();
      const store = await openStore({ address, reconnectTimeoutMs: 300 });
      const { run } = await store.open(spec());
      await server.crash();
      await expect(run.recordStep('a', 1)).rejects.toMatchObject({ code: 'store.unreachable' });
      await expect(run.step('a')).rejects.toMatchObject({ code: 'store.unreachable' });
      await expect(openStore({ address, reconnectTimeoutMs: 300 })).rejects.toMatchObject({
        code: 'store.unreachable',
      });
      await server.restart();
      expect(await run.recordStep('a', 1)).toBe(1);
      await store.close();
    });
  });

  describe('a commit whose answer was lost', () => {
    it('is not made again', async () => {
      // Between the store and the server, a wire that can be cut right after a COMMIT went through.
      const { createConnection, createServer } = await import('node:net');
      const { port } = new URL(server.address);
      let cutNext = false;
      let cuts = 0;
      const wire = createServer((near) => {
        const far = createConnection(Number(port), '127.0.0.1');
        let isCutting = false;
        near.on('data', (bytes) => {
          if (cutNext && bytes.includes('COMMIT')) {
            cutNext = false;
            isCutting = true;
          }
          far.write(bytes);
        });
        far.on('data', (bytes) => {
          if (!isCutting) return near.write(bytes);
          cuts++;
          near.destroy();
          return far.end();
        });
        near.on('error', () => far.destroy());
        near.on('close', () => far.end());
        far.on('error', () => near.destroy());
        far.on('close', () => near.destroy());
      });
      await new Promise<void>((done) => wire.listen(0, '127.0.0.1', done));
      const address = newAddress().replace(`:${port}/`, `:${(wire.address() as { port: number }).port}/`);
      const store = await openStore({ address });
      const { run } = await store.open(spec());
      for (let i = 0; i < 5; i++) {
        cutNext = true;
        // No key protects a plain event: only the server knows whether it was committed.
        await run.append({ kind: 'note', data: i });
      }
      expect(cuts).toBe(5);
      expect((await run.events({ kinds: ['note'] })).map((event) => event.data)).toEqual([0, 1, 2, 3, 4]);
      await store.close();
      wire.close();
    });
  });

  describe('a client that is frozen in the middle of a write', () => {
    it('is waited for, named, and survived', async () => {
      const address = newAddress();
      const store = await openStore({ address, lockTimeoutMs: 200 });
      const { run } = await store.open(spec());
      const schema = `test_${schemas}`;
      const frozen = new pg.Client({ connectionString: server.address });
      await frozen.connect();
      await frozen.query('BEGIN');
      await frozen.query(`SELECT pg_advisory_xact_lock(hashtext('fiducial'), hashtext($1))`, [schema]);
      await expect(run.recordStep('a', 1)).rejects.toMatchObject({ code: 'store.locked' });
      await frozen.query('ROLLBACK');
      await frozen.end();
      expect(await run.recordStep('a', 1)).toBe(1);
      await store.close();
    });
  });

  describe('an address', () => {
    it('never shows its password, and is refused by name when it is wrong', async () => {
      const { port } = new URL(server.address);
      const store = await openStore({
        address: `postgres://fiducial:hunter2@127.0.0.1:${port}/postgres?schema=test_${++schemas}`,
      });
      expect(store.address).not.toContain('hunter2');
      await store.close();
      const attempt = (address: string) => openStore({ address, reconnectTimeoutMs: 300 });
      await expect(attempt(`postgres://fiducial@127.0.0.1:${port}/nowhere`)).rejects.toMatchObject({
        code: 'store.missing-database',
      });
      await expect(attempt(`postgres://stranger:hunter2@127.0.0.1:${port}/postgres`)).rejects.toMatchObject({
        code: 'store.access',
      });
      await expect(attempt(`${server.address}?schema=No;drop`)).rejects.toMatchObject({ code: 'store.bad-address' });
      const gone = await attempt('postgres://fiducial:hunter2@127.0.0.1:1/postgres').catch((error: Error) => error);
      expect(gone).toMatchObject({ code: 'store.unreachable' });
      expect(JSON.stringify(gone) + String(gone)).not.toContain('hunter2');
    });
  });
}
