/**
 * The workbench over HTTP: the API, its live events, and the screens.
 *
 * Alone on this machine, whoever has the token of this start may do everything. Where others can reach it, people log
 * in with accounts, each with a role; what they do is in the audit log, and models are those that the configuration
 * names. Nothing but the login answers without a session.
 */
import { createServer as createSecureServer } from 'node:https';
import type { Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import { FiducialError, show } from '../core/errors.ts';
import { isLoopback } from '../models/index.ts';
import type { Store } from '../store/index.ts';
import type { Config } from '../workbench/config.ts';
import { openAudit } from './access/audit.ts';
import {
  answerError,
  type GateParts,
  protect,
  type RateLimits,
  requireOwnName,
  requireSession,
  type ServerEnv,
  usualRates,
} from './access/gate.ts';
import type { Account } from './access/people.ts';
import { newToken, Sessions } from './access/sessions.ts';
import { createApi } from './api/app.ts';
import { statusError } from './api/errors.ts';
import { openInsides } from './inside/insides.ts';
import { openJobs } from './jobs/jobs.ts';
import { Hub } from './live/hub.ts';
import { bodySize } from './body-size.ts';
import { openPool } from './models/pool.ts';
import { readScreens } from './screens/files.ts';
import { loginPage, loginRoutes } from './screens/login.ts';

export interface WorkbenchServerOptions {
  /** The store's address with whatever opens it; the threads of runs open it again. */
  readonly address: string;
  readonly config: Config;
  /** The folder of the built screens; without it there is the API alone. */
  readonly screens?: string;
  /** 127.0.0.1 unless told. */
  readonly host?: string;
  /** 0 takes a free one. 7700 unless told. */
  readonly port?: number;
  /** Who may log in; needed for a host that others can reach. */
  readonly accounts?: readonly Account[];
  /** Certificate and key, PEM. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** The file of the audit log. */
  readonly auditPath: string;
  readonly maxBodyBytes?: number;
  readonly rates?: RateLimits;
  readonly onError?: (error: unknown) => void;
}

export interface WorkbenchServer {
  readonly url: string;
  /** The link that logs in, with the token in it; the plain address where people have accounts. */
  readonly link: string;
  readonly token: string | undefined;
  /** `GET /api/runs`, for tests that walk every route. */
  readonly routes: readonly string[];
  /** Stops its runs, which keep what they finished, then ends. */
  close(): Promise<void>;
}

/**
 * @throws FiducialError `server.no-accounts` for an address that others can reach without accounts, `server.no-screens`,
 *   `server.address`
 * @example
 * const server = await serveWorkbench(store, { address: '.fiducial', config, auditPath: '.fiducial/audit.jsonl' });
 * console.log(server.link);
 */
export async function serveWorkbench(store: Store, options: WorkbenchServerOptions): Promise<WorkbenchServer> {
  const { host = '127.0.0.1', port = 7700, accounts = [], config, tls, onError = () => {} } = options;
  const isOpen = !isLoopback(host);
  if (isOpen && accounts.length === 0) {
    throw new FiducialError(
      'server.no-accounts',
      `Others can reach ${show(host)}, and nobody has an account`,
      'fiducial account add <name> --role operator, or listen on 127.0.0.1.',
    );
  }
  const token = accounts.length === 0 ? newToken() : undefined;
  const stopping = new AbortController();
  const sessions = new Sessions();
  const audit = openAudit(options.auditPath, onError);
  const gate: GateParts = {
    sessions,
    audit,
    token,
    isOpen,
    isSecure: tls !== undefined,
    rates: options.rates ?? usualRates,
  };
  const hubs = new Map<string, Hub>();
  const jobs = openJobs({ store: options.address, config, onError });
  const pool = openPool(config);
  const insides = openInsides();
  const screens = options.screens === undefined ? undefined : await readScreens(options.screens);

  const api = createApi(
    {
      store,
      config,
      jobs,
      audit,
      isOpen,
      stopping: stopping.signal,
      hubOf(run) {
        for (const [key, hub] of hubs) if (hub.watchers === 0 && key !== (run ?? '')) hubs.delete(key);
        let hub = hubs.get(run ?? '');
        if (hub === undefined) {
          hub = new Hub(store, run === undefined ? { kinds: listKinds, pollMs: 500 } : { run });
          hubs.set(run ?? '', hub);
        }
        return hub;
      },
    },
    sessions,
    pool,
    insides,
  );

  const maxSize = options.maxBodyBytes ?? 4 * 2 ** 20;
  const app = new Hono<ServerEnv>();
  app.onError((error) => answerError(error, onError));
  app.use(protect);
  app.use(requireOwnName(gate));
  app.use(
    bodySize(maxSize, () => {
      const answer = answerError(
        statusError(413, 'server.too-large', `The body is larger than ${maxSize} bytes`, ''),
        onError,
      );
      // The rest of a body that nobody reads ends the connection.
      answer.headers.set('connection', 'close');
      return answer;
    }),
  );
  app.route('/login', loginRoutes(gate, accounts));
  const letIn = requireSession(gate);
  // A person gets the form, a program the error; both are 401.
  app.use(async (context, next) => {
    const isPage = context.req.method === 'GET' && (context.req.header('accept') ?? '').includes('text/html');
    return await letIn(context, next).catch((error: unknown) => {
      if (isPage && error instanceof FiducialError && error.code === 'server.no-session') {
        return loginPage(token !== undefined, 401);
      }
      throw error;
    });
  });
  app.route('/api', api);
  app.get('*', (context) => {
    const { path } = context.req;
    const takesGzip = (context.req.header('accept-encoding') ?? '').includes('gzip');
    const file = path.startsWith('/api/') ? undefined : screens?.answer(path, takesGzip);
    if (file !== undefined) return file;
    throw statusError(404, 'server.nothing-here', `Nothing is at ${show(path)}`, '');
  });
  app.all('*', (context) => {
    throw statusError(404, 'server.nothing-here', `Nothing is at ${context.req.method} ${show(context.req.path)}`, '');
  });

  const server = createAdaptorServer({
    fetch: app.fetch,
    overrideGlobalObjects: false,
    ...(tls === undefined ? {} : { createServer: createSecureServer }),
    serverOptions: {
      requestTimeout: 60_000,
      headersTimeout: 20_000,
      keepAliveTimeout: 75_000,
      maxHeaderSize: 16_384,
      ...tls,
    },
  });
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const address = await new Promise<AddressInfo>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => reject(unreachable(host, port, cause)));
    server.listen(port, host, () => resolve(server.address() as AddressInfo));
  });
  const shown = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  const url = `${tls === undefined ? 'http' : 'https'}://${shown}:${address.port}`;
  let closing: Promise<void> | undefined;
  return {
    url,
    link: token === undefined ? `${url}/` : `${url}/login?token=${token}`,
    token,
    routes: [
      ...new Set(
        app.routes
          .filter(({ method, path }) => method !== 'ALL' && path !== '/*')
          .map(({ method, path }) => `${method} ${path}`),
      ),
    ],
    close: () =>
      (closing ??= (async () => {
        stopping.abort(new Error('the server is shutting down'));
        const closed = new Promise<void>((resolve) => server.close(() => resolve()));
        await Promise.all([jobs.close(), pool.close(), insides.close()]);
        for (const socket of sockets) socket.destroy();
        await closed;
        await audit.settled();
      })()),
  };
}

/** What moves a row of the list of runs. */
const listKinds = ['run.created', 'run.status', 'progress', 'outcome', 'label.asked'];

function unreachable(host: string, port: number, cause: NodeJS.ErrnoException): FiducialError {
  return new FiducialError(
    'server.address',
    `Can't listen on ${host}:${port}: ${cause.code === 'EADDRINUSE' ? 'something else does' : cause.message}`,
    'Choose another port; 0 takes a free one.',
    { cause },
  );
}
