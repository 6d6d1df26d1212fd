/** `fiducial serve`: the store in a browser, on this machine, or for people with accounts. */
import type { Command } from 'commander';
import { type StoreFlags, storeFlags, withStore } from '../session.ts';

interface Flags extends StoreFlags {
  readonly host: string;
  readonly port: string;
  readonly accounts: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly audit?: string;
}

/** Adds the command to the program. */
export function register(program: Command): void {
  storeFlags(
    program
      .command('serve')
      .description('look at the store in a browser: runs, transcripts, models, evidence')
      .option('--port <number>', '0 takes a free one', '7700')
      .option('--host <address>', 'where to listen; others than this machine need accounts', '127.0.0.1')
      .option('--accounts <file>', 'who may log in, with --host; fiducial account makes it', 'fiducial-accounts.json')
      .option('--tls-cert <file>', 'certificate, PEM')
      .option('--tls-key <file>', 'its key, PEM')
      .option('--audit <file>', 'the audit log; in the store unless told'),
  )
    .addHelpText('after', '\nPrints a link that logs in. Ctrl-C stops the runs begun here, which can be resumed.')
    .action(async (flags: Flags) => {
      const { serveStore } = await import('../serve-store.ts');
      await withStore(flags, (session) => serveStore(session, flags));
    });
}
