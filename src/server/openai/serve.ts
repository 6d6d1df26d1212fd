/**
 * Serves models over HTTP in the shape of OpenAI's API, with Hono on Node's own server. Any model will do: open weights,
 * guarded ones, endpoints; what only open weights have (raw completions, embeddings) the others refuse.
 *
 * It listens on this machine alone unless told otherwise, and then only with keys.
 */
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { FiducialError, show } from '../../core/errors.ts';
import { isLoopback, type Model } from '../../models/index.ts';
import { Admission } from './admission.ts';
import { createApp } from './app.ts';
import { checkKeys } from './keys.ts';

export interface ServeLimits {
  /** Largest body of a request. 4 MiB unless told. */
  readonly maxBodyBytes?: number;
  /** Longest prompt in tokens; of models that cannot count, in thirds of bytes. No limit but the model's unless told. */
  readonly maxPromptTokens?: number;
  /** Longest reply in tokens, also where a request names none. */
  readonly maxTokens?: number;
  /** Requests answered at once. 64 unless told. */
  readonly maxConcurrency?: number;
  /** Requests that wait beyond those. 256 unless told. */
  readonly maxQueue?: number;
  /** Longest wait. 60,000 unless told. */
  readonly queueTimeoutMs?: number;
}

export interface ServeOptions {
  /** Where to listen; 127.0.0.1 unless told. */
  readonly host?: string;
  /** 0 takes a free one. 8000 unless told. */
  readonly port?: number;
  /** Bearer keys, any of which is let in. */
  readonly keys?: readonly string[];
  readonly limits?: ServeLimits;
  /** Hears of failures that are not the caller's. */
  readonly onError?: (error: unknown) => void;
}

export interface ModelServer {
  /** Base of the API, for example `http://127.0.0.1:8000/v1`. */
  readonly url: string;
  readonly port: number;
  /** Requests that are answered, and that wait. */
  readonly load: { readonly running: number; readonly queued: number };
  /** Takes nothing new, lets what runs end for up to `drainMs` (30,000 unless told), then ends it. */
  close(drainMs?: number): Promise<void>;
}

/**
 * @param models by the names that requests use, or a list, by their ids
 * @throws FiducialError `server.no-key` for an address that others can reach without a key, `server.key`,
 *   `server.models`, `server.address`
 * @example
 * const server = await serveModels([await openModelInWorker('./qwen')], { port: 8000 });
 */
export async function serveModels(
  models: readonly Model[] | Readonly<Record<string, Model>>,
  options: ServeOptions = {},
): Promise<ModelServer> {
  const { host = '127.0.0.1', port = 8000, keys = [], limits = {} } = options;
  const named = byName(models);
  checkKeys(keys);
  if (keys.length === 0 && !isLoopback(host)) {
    throw new FiducialError(
      'server.no-key',
      `Others can reach ${show(host)}, and no key is set`,
      'Set FIDUCIAL_SERVER_KEYS or give a key file, or listen on 127.0.0.1.',
    );
  }
  const admission = new Admission({
    maxConcurrency: limits.maxConcurrency ?? 64,
    maxQueue: limits.maxQueue ?? 256,
    queueTimeoutMs: limits.queueTimeoutMs ?? 60_000,
  });
  const stopping = new AbortController();
  let isClosing = false;
  const app = createApp({
    models: named,
    keys,
    maxBodyBytes: limits.maxBodyBytes ?? 4 * 2 ** 20,
    maxPromptTokens: limits.maxPromptTokens,
    maxTokens: limits.maxTokens,
    admission,
    stopping: stopping.signal,
    isClosing: () => isClosing,
    onError: options.onError ?? (() => {}),
  });
  const server = createAdaptorServer({
    fetch: app.fetch,
    overrideGlobalObjects: false,
    // Longer than clients keep a connection, so that it is they who close it and no request meets a closed one.
    serverOptions: { requestTimeout: 60_000, headersTimeout: 20_000, keepAliveTimeout: 75_000 },
  });
  const address = await new Promise<AddressInfo>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => reject(unreachable(host, port, cause)));
    server.listen(port, host, () => resolve(server.address() as AddressInfo));
  });
  const shown = address.family === 'IPv6' ? `[${address.address}]` : address.address;

  const close = async (drainMs = 30_000): Promise<void> => {
    isClosing = true;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    const timer = setTimeout(() => stopping.abort(new Error('the server is shutting down')), drainMs);
    await admission.drained();
    clearTimeout(timer);
    // What was answered a moment ago may still be on its way out.
    await new Promise((resolve) => setTimeout(resolve, FLUSH_MS));
    if ('closeAllConnections' in server) server.closeAllConnections();
    await closed;
  };
  let closing: Promise<void> | undefined;
  return {
    url: `http://${shown}:${address.port}/v1`,
    port: address.port,
    get load() {
      return { running: admission.running, queued: admission.queued };
    },
    close: (drainMs) => (closing ??= close(drainMs)),
  };
}

const FLUSH_MS = 50;

function byName(models: readonly Model[] | Readonly<Record<string, Model>>): Map<string, Model> {
  const list = Array.isArray(models)
    ? (models as readonly Model[]).map((model) => [model.id, model] as const)
    : Object.entries(models as Readonly<Record<string, Model>>);
  const named = new Map(list);
  if (named.size > 0 && named.size === list.length) return named;
  throw new FiducialError(
    'server.models',
    list.length === 0 ? 'There is no model to serve' : `Two models are called ${show(list.map(([name]) => name))}`,
    'Give one model or more, each with a name of its own.',
  );
}

function unreachable(host: string, port: number, cause: NodeJS.ErrnoException): FiducialError {
  return new FiducialError(
    'server.address',
    `Can't listen on ${host}:${port}: ${cause.code === 'EADDRINUSE' ? 'something else does' : cause.message}`,
    'Choose another port; 0 takes a free one.',
    { cause },
  );
}
