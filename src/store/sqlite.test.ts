/** The store over SQLite: the contract, and what only a file on a disk can show. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { storeContract } from './contract.ts';
import { openStore } from './index.ts';

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'fiducial-store-'));
  folders.push(folder);
  return folder;
}

storeContract('SQLite', async () => {
  const address = join(newFolder(), '.fiducial');
  return { address, open: (options) => openStore({ ...options, address }) };
});
