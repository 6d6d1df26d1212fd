/**
 * `fiducial model serve`: models of this machine behind an OpenAI-compatible endpoint, each in a thread of its own.
 * The address goes to the standard output when requests are taken; Ctrl-C lets what runs end, a second one does not.
 */
import { basename, resolve } from 'node:path';
import type { Model } from '../../models/index.ts';
import { openModelInWorker, type WorkerModel } from '../../models/open/index.ts';
import { readKeys, serveModels } from '../../server/index.ts';
import { numberFlag } from './numbers.ts';

export interface ServeFlags {
  readonly port: string;
  readonly host: string;
  readonly adapter?: readonly string[];
  readonly plain: boolean;
  readonly keyFile?: string;
  readonly maxConcurrency: string;
  readonly maxQueue: string;
  readonly maxPromptTokens?: string;
  readonly maxTokens: string;
}

/** Serves until the process is told to end. */
export async function serveFolders(folders: readonly string[], flags: ServeFlags): Promise<void> {
  const whole = (name: string, text: string | undefined, least = 1, most?: number): number | undefined =>
    numberFlag(name, text, { least, isWhole: true, ...(most === undefined ? {} : { most }) });
  const port = whole('--port', flags.port, 0, 65_535)!;
  const maxPromptTokens = whole('--max-prompt-tokens', flags.maxPromptTokens);
  const limits = {
    maxConcurrency: whole('--max-concurrency', flags.maxConcurrency)!,
    maxQueue: whole('--max-queue', flags.maxQueue, 0)!,
    maxTokens: whole('--max-tokens', flags.maxTokens)!,
    ...(maxPromptTokens === undefined ? {} : { maxPromptTokens }),
  };
  const keys = await readKeys(flags.keyFile);
  const opened: WorkerModel[] = [];
  try {
    const named: Record<string, Model> = {};
    for (const folder of folders) {
      const model = await openModelInWorker(folder, {
        ...(flags.adapter === undefined ? {} : { adapters: flags.adapter }),
        ...(flags.plain ? { chat: 'plain' as const } : {}),
      });
      opened.push(model);
      named[nameOf(folder, named)] = model;
    }
    const server = await serveModels(named, {
      host: flags.host,
      port,
      keys,
      limits,
      onError: (error) => console.error(error),
    });
    console.log(`${server.url}  ${Object.keys(named).join('  ')}`);
    await told(() => console.error('Ending; what runs is let finish. Ctrl-C again ends at once.'));
    const hurried = told(() => {});
    const drained = server.close();
    await Promise.race([drained, hurried.then(() => server.close(0))]);
  } finally {
    await Promise.all(opened.map((model) => model.close()));
  }
}

/** The folder's last name, or the repository's id; with a number where two are alike. */
function nameOf(folder: string, taken: Readonly<Record<string, Model>>): string {
  const plain = /^[\w-]+\/[\w.-]+$/.test(folder) ? folder : basename(resolve(folder));
  let name = plain;
  for (let i = 2; Object.hasOwn(taken, name); i++) name = `${plain}-${i}`;
  return name;
}

/** Resolves at the next SIGINT or SIGTERM. */
function told(then: () => void): Promise<void> {
  return new Promise((done) => {
    const heard = (): void => {
      process.off('SIGINT', heard);
      process.off('SIGTERM', heard);
      then();
      done();
    };
    process.on('SIGINT', heard);
    process.on('SIGTERM', heard);
  });
}
