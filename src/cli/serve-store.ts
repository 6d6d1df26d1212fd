/** What `fiducial serve` does: reads accounts and certificates, finds the screens, serves until it is told to end. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FiducialError } from '../core/errors.ts';
import { isLoopback } from '../models/index.ts';
import { readAccounts, serveWorkbench } from '../server/index.ts';
import { numberFlag } from './model/numbers.ts';
import { screensFolder } from './screens-folder.ts';
import type { Session } from './session.ts';

export interface ServeStoreFlags {
  readonly store?: string;
  readonly host: string;
  readonly port: string;
  readonly accounts: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly audit?: string;
}

/** Serves until the process is told to end. */
export async function serveStore({ store, config, isJson }: Session, flags: ServeStoreFlags): Promise<void> {
  const address = flags.store ?? config.store;
  const isOpen = !isLoopback(flags.host);
  const server = await serveWorkbench(store, {
    address,
    config,
    screens: await screensFolder((line) => console.error(line)),
    host: flags.host,
    port: numberFlag('--port', flags.port, { least: 0, most: 65_535, isWhole: true })!,
    accounts: isOpen ? await readAccounts(flags.accounts) : [],
    auditPath: flags.audit ?? (store.dialect === 'sqlite' ? join(address, 'audit.jsonl') : 'fiducial-audit.jsonl'),
    onError: (error) => console.error(error),
    ...(await tlsOf(flags)),
  });
  if (isOpen && flags.tlsCert === undefined) {
    console.error('Passwords cross the network in the clear: put TLS before it, or pass --tls-cert and --tls-key.');
  }
  process.stdout.write(isJson ? `${JSON.stringify({ url: server.url, link: server.link })}\n` : `${server.link}\n`);
  await new Promise<void>((done) => {
    process.once('SIGINT', done);
    process.once('SIGTERM', done);
  });
  console.error('Ending; runs keep what they finished.');
  await server.close();
}

async function tlsOf({ tlsCert, tlsKey }: ServeStoreFlags): Promise<{ tls?: { cert: string; key: string } }> {
  if (tlsCert === undefined && tlsKey === undefined) return {};
  if (tlsCert === undefined || tlsKey === undefined) {
    throw new FiducialError('cli.bad-flag', '--tls-cert and --tls-key go together', 'Give both.');
  }
  const [cert, key] = await Promise.all([readFile(tlsCert, 'utf8'), readFile(tlsKey, 'utf8')]);
  return { tls: { cert, key } };
}
