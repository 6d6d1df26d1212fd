/**
 * The routes: `/v1/chat/completions`, `/v1/completions`, `/v1/embeddings`, `/v1/models`, `/healthz`.
 *
 * A request is let in by its key, its size and its kind before it is read, and by a free slot before a model is asked.
 * Without keys only this machine may ask, and a page in a browser may not: bodies must be declared as JSON, which makes
 * a browser ask for leave first, and the host named must be a loopback, which a rebound name is not.
 */
import { Hono, type Context } from 'hono';
import { show } from '../../core/errors.ts';
import { askBytes, type Ask, isLoopback, type Model } from '../../models/index.ts';
import type { LocalModel } from '../../models/open/index.ts';
import { bodySize } from '../body-size.ts';
import type { Admission } from './admission.ts';
import { chatBody, chatChunks } from './chat.ts';
import { completionBody, completionChunks } from './completions.ts';
import { apiErrorOf, badRequest, errorResponse, RequestError } from './errors.ts';
import { keyCheck } from './keys.ts';
import { readChat, readCompletion, readEmbedding } from './requests.ts';
import { type Body, eventStream, nowSeconds } from './wire.ts';

export interface AppSettings {
  readonly models: ReadonlyMap<string, Model>;
  readonly keys: readonly string[];
  readonly maxBodyBytes: number;
  readonly maxPromptTokens: number | undefined;
  readonly maxTokens: number | undefined;
  readonly admission: Admission;
  /** Aborts when the server gives up on what still runs. */
  readonly stopping: AbortSignal;
  readonly isClosing: () => boolean;
  readonly onError: (error: unknown) => void;
}

export function createApp(settings: AppSettings): Hono {
  const { keys, maxBodyBytes, models } = settings;
  const hasKey = keyCheck(keys);
  const created = nowSeconds();
  const app = new Hono();

  app.onError((error) => answerError(error, settings));
  app.notFound((context) => {
    const { method, path } = context.req;
    return errorResponse({
      status: 404,
      message: `Nothing is at ${method} ${show(path)}; there are POST /v1/chat/completions, /v1/completions, /v1/embeddings and GET /v1/models.`,
      type: 'invalid_request_error',
      code: 'unknown_url',
    });
  });
  app.get('/healthz', () => Response.json({ status: settings.isClosing() ? 'closing' : 'ok' }));

  app.use('/v1/*', async (context, next) => {
    if (keys.length === 0) requireLoopbackName(context);
    else if (!hasKey(context.req.header('authorization'))) throw unauthorised();
    if (settings.isClosing()) throw closing();
    await next();
  });
  app.use(
    '/v1/*',
    bodySize(maxBodyBytes, () => errorResponse(tooLarge(maxBodyBytes))),
  );

  app.get('/v1/models', () =>
    Response.json({ object: 'list', data: [...models.keys()].map((id) => modelBody(id, created)) }),
  );
  app.get('/v1/models/*', (context) => {
    const id = decoded(context.req.path.slice('/v1/models/'.length));
    findModel(models, id);
    return Response.json(modelBody(id, created));
  });

  app.post('/v1/chat/completions', async (context) => {
    const request = readChat(await jsonOf(context));
    const { name, model } = findModel(models, request.model);
    const wanted = { ...request, ask: await bounded(model, request.ask, settings) };
    return answer(
      context,
      settings,
      wanted.isStreamed,
      (signal) => chatBody(model, name, wanted, signal),
      (signal) => chatChunks(model, name, wanted, signal),
    );
  });
  app.post('/v1/completions', async (context) => {
    const request = readCompletion(await jsonOf(context));
    const { name, model } = findModel(models, request.model);
    if (!isLocal(model)) throw badRequest(`${name} is an endpoint that only chats; use /v1/chat/completions`, 'model');
    const { maxTokens } = settings;
    const most = Math.min(request.settings.maxTokens ?? Infinity, maxTokens ?? Infinity);
    const wanted = most === Infinity ? request : { ...request, settings: { ...request.settings, maxTokens: most } };
    return answer(
      context,
      settings,
      wanted.isStreamed,
      (signal) => completionBody(model, name, wanted, signal),
      (signal) => completionChunks(model, name, wanted, signal),
    );
  });
  app.post('/v1/embeddings', async (context) => {
    const { model: given, texts, isBase64 } = readEmbedding(await jsonOf(context));
    const { name, model } = findModel(models, given);
    if (!isLocal(model)) throw badRequest(`${name} is an endpoint that gives no embeddings`, 'model');
    return answer(context, settings, false, async () => {
      const { vectors, tokens } = await model.embed(texts);
      return {
        object: 'list',
        model: name,
        data: vectors.map((vector, index) => ({
          object: 'embedding',
          index,
          embedding: isBase64
            ? Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString('base64')
            : Array.from(vector),
        })),
        usage: { prompt_tokens: tokens, total_tokens: tokens },
      };
    });
  });
  return app;
}

/** Waits for a slot, then answers whole or as a stream. The slot is free when the reply is over or nobody reads it. */
async function answer(
  context: Context,
  { admission, stopping, onError }: AppSettings,
  isStreamed: boolean,
  whole: (signal: AbortSignal) => Promise<Body>,
  chunks?: (signal: AbortSignal) => AsyncGenerator<Body, void, undefined>,
): Promise<Response> {
  const control = new AbortController();
  const signal = AbortSignal.any([context.req.raw.signal, stopping, control.signal]);
  const leave = await admission.enter(signal);
  try {
    if (!isStreamed || chunks === undefined) {
      const body = await whole(signal);
      leave();
      return Response.json(body);
    }
    const stream = chunks(signal);
    // The first chunk comes before the headers, so that what fails at once is a status and not an event.
    const first = await stream.next();
    return eventStream(startingWith(first, stream), (error) => {
      control.abort(new Error('the stream is over'));
      leave();
      if (error !== undefined && !signal.aborted) onError(error);
    });
  } catch (error) {
    leave();
    if (context.req.raw.signal.aborted) throw gone();
    throw error;
  }
}

function startingWith(
  first: IteratorResult<Body, void>,
  rest: AsyncGenerator<Body, void, undefined>,
): AsyncIterator<Body> {
  let isFirst = true;
  return {
    next: () => {
      if (!isFirst) return rest.next();
      isFirst = false;
      return Promise.resolve(first);
    },
    return: () => rest.return(),
  };
}

/** The ask within the server's limits. */
async function bounded(model: Model, ask: Ask, { maxPromptTokens, maxTokens }: AppSettings): Promise<Ask> {
  if (maxPromptTokens !== undefined) {
    // No byte-level tokenizer makes more tokens than bytes; only the model itself can count them.
    const tokens = isLocal(model) ? await model.countTokens(ask) : Math.ceil(askBytes(ask) / BYTES_PER_TOKEN);
    if (tokens > maxPromptTokens) {
      throw badRequest(
        `The prompt has ${tokens} tokens, and this server takes ${maxPromptTokens}`,
        'messages',
        'context_length_exceeded',
      );
    }
  }
  if (maxTokens === undefined) return ask;
  return { ...ask, maxTokens: Math.min(ask.maxTokens ?? maxTokens, maxTokens) };
}

/** What is taken for a token of a model that cannot be asked to count. */
const BYTES_PER_TOKEN = 3;

const isLocal = (model: Model): model is LocalModel =>
  'complete' in model && 'embed' in model && 'countTokens' in model;

function findModel(models: ReadonlyMap<string, Model>, id: string | undefined): { name: string; model: Model } {
  const name = id ?? (models.size === 1 ? [...models.keys()][0]! : undefined);
  if (name === undefined) throw badRequest('model is missing, and there are several here', 'model');
  const model = models.get(name);
  if (model !== undefined) return { name, model };
  throw new RequestError({
    status: 404,
    message: `There is no model ${show(name)} here; GET /v1/models lists them.`,
    type: 'invalid_request_error',
    code: 'model_not_found',
    param: 'model',
  });
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw badRequest(`${show(part)} is not percent-encoded UTF-8`, 'model');
  }
}

const modelBody = (id: string, created: number): Body => ({ id, object: 'model', created, owned_by: 'fiducial' });

async function jsonOf(context: Context): Promise<unknown> {
  const type = context.req.header('content-type') ?? '';
  if (!/^application\/json\s*(;|$)/i.test(type)) {
    throw new RequestError({
      status: 415,
      message: `The content type is ${show(type)}; send application/json.`,
      type: 'invalid_request_error',
      code: 'unsupported_media_type',
    });
  }
  const text = await context.req.text();
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw badRequest(
      `The body is not JSON: ${error instanceof Error ? error.message : String(error)}`,
      undefined,
      'invalid_json',
    );
  }
}

function requireLoopbackName(context: Context): void {
  const host = context.req.header('host') ?? '';
  const name = /^(\[[^\]]*\]|[^:]*)(?::\d+)?$/.exec(host)?.[1] ?? '';
  if (isLoopback(name)) return;
  throw new RequestError({
    status: 403,
    message: `The host ${show(host)} is not this machine's loopback, and no key is set.`,
    type: 'invalid_request_error',
    code: 'forbidden_host',
  });
}

const unauthorised = (): RequestError =>
  new RequestError({
    status: 401,
    message: 'The key is missing or wrong. Send it as: Authorization: Bearer <key>',
    type: 'invalid_request_error',
    code: 'invalid_api_key',
  });

/** Nobody reads this. */
const gone = (): RequestError =>
  new RequestError({ status: 408, message: 'The client went away.', type: 'invalid_request_error', code: null });

const closing = (): RequestError =>
  new RequestError({ status: 503, message: 'The server is shutting down.', type: 'server_error', code: 'closing' });

const tooLarge = (most: number) =>
  ({
    status: 413,
    message: `The body is larger than ${most} bytes.`,
    type: 'invalid_request_error',
    code: 'request_too_large',
  }) as const;

function answerError(error: unknown, { onError, stopping }: AppSettings): Response {
  if (stopping.aborted) return errorResponse(closing().api);
  const api = apiErrorOf(error);
  if (api.status >= 500) onError(error);
  return errorResponse(api);
}
