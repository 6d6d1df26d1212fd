/**
 * A real server over a store in a folder of its own, and a client that has logged in as a browser does: the token's
 * link, the cookie, the forgery word.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bestOfN } from '../../src/methods/redteam/best-of-n.ts';
import {
  type Account,
  serveWorkbench,
  type WorkbenchServer,
  type WorkbenchServerOptions,
} from '../../src/server/index.ts';
import type { ErrorBody } from '../../src/server/api/errors.ts';
import { openStore, type Run, type Store } from '../../src/store/index.ts';
import { checkConfig, type ConfigInput } from '../../src/workbench/config.ts';
import { runMethod } from '../../src/workbench/run.ts';

export interface Rig {
  readonly store: Store;
  readonly server: WorkbenchServer;
  readonly folder: string;
  readonly faults: unknown[];
  /** A client with a session; of an account where there are accounts. */
  login(name?: string, password?: string): Promise<Client>;
  /** The audit log's lines. */
  audit(): Promise<readonly Readonly<Record<string, unknown>>[]>;
  close(): Promise<void>;
}

export interface RigOptions {
  readonly config?: ConfigInput;
  readonly screens?: string;
  readonly accounts?: readonly Account[];
  readonly host?: string;
  readonly folder?: string;
  readonly maxBodyBytes?: number;
  readonly rates?: WorkbenchServerOptions['rates'];
}

export class Client {
  readonly url: string;
  readonly cookie: string;
  readonly word: string;

  constructor(url: string, cookie: string, word: string) {
    this.url = url;
    this.cookie = cookie;
    this.word = word;
  }

  get(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.url}${path}`, { ...init, headers: { cookie: this.cookie, ...(init.headers as object) } });
  }

  post(path: string, body: unknown = {}, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    return fetch(`${this.url}${path}`, {
      method: 'POST',
      body: typeof body === 'string' ? body : JSON.stringify(body),
      headers: {
        cookie: this.cookie,
        'x-fiducial-word': this.word,
        'content-type': 'application/json',
        ...headers,
      },
    });
  }

  /** The body of an answer that must be good. */
  async json<T>(path: string): Promise<T> {
    const response = await this.get(path);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }

  async done<T>(path: string, body?: unknown): Promise<T> {
    const response = await this.post(path, body);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }
}

export async function openRig(options: RigOptions = {}): Promise<Rig> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'fiducial-screens-')));
  const address = join(folder, 'store');
  const auditPath = join(folder, 'audit.jsonl');
  const store = await openStore({ address });
  const faults: unknown[] = [];
  const server = await serveWorkbench(store, {
    address,
    config: checkConfig(options.config ?? {}, 'the test'),
    port: 0,
    auditPath,
    onError: (error) => faults.push(error),
    ...(options.host === undefined ? {} : { host: options.host }),
    ...(options.accounts === undefined ? {} : { accounts: options.accounts }),
    ...(options.screens === undefined ? {} : { screens: options.screens }),
    ...(options.rates === undefined ? {} : { rates: options.rates }),
    ...(options.maxBodyBytes === undefined ? {} : { maxBodyBytes: options.maxBodyBytes }),
  });
  return {
    store,
    server,
    folder,
    faults,
    async login(name, password) {
      const response = await (name === undefined
        ? fetch(server.link, { redirect: 'manual' })
        : fetch(`${server.url}/login`, {
            method: 'POST',
            redirect: 'manual',
            body: new URLSearchParams({ name, password: password ?? '' }),
          }));
      const cookie = response.headers.get('set-cookie')?.split(';', 1)[0];
      if (response.status !== 303 || cookie === undefined) throw new Error(`no session: ${response.status}`);
      const session = (await (await fetch(`${server.url}/api/session`, { headers: { cookie } })).json()) as {
        readonly word: string;
      };
      return new Client(server.url, cookie, session.word);
    },
    async audit() {
      const text = await readFile(auditPath, 'utf8').catch(() => '');
      return text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    },
    async close() {
      await server.close();
      await store.close();
      if (options.folder === undefined) await rm(folder, { recursive: true });
    },
  };
}

/** The demonstration of best-of-N, run here and now. */
export async function demoRun(store: Store, seed: number): Promise<Run> {
  const { demo } = bestOfN;
  const result = await runMethod(bestOfN, demo.params, await demo.given(), { store, seed, request: { isDemo: true } });
  return result.run;
}

export async function errorOf(response: Response): Promise<ErrorBody['error']> {
  return ((await response.json()) as ErrorBody).error;
}

/** Polls until a value is there. */
export async function eventually<T>(look: () => Promise<T | undefined>, what: string, limitMs = 60_000): Promise<T> {
  const until = performance.now() + limitMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined) return seen;
    if (performance.now() > until) throw new Error(`${what} did not happen within ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
