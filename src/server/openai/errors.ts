/**
 * Failures in the shape of OpenAI's API, `{ error: { message, type, param, code } }`, with the status that its clients
 * expect. What the caller did wrong is said in full; of a fault of this program the caller learns that it happened.
 */
import { FiducialError, isFiducialError } from '../../core/errors.ts';
import { failureOf } from '../../models/index.ts';

export interface ApiError {
  readonly status: 400 | 401 | 403 | 404 | 405 | 408 | 413 | 415 | 429 | 500 | 502 | 503;
  readonly message: string;
  readonly type: 'invalid_request_error' | 'rate_limit_error' | 'server_error';
  readonly code: string | null;
  readonly param?: string;
  readonly retryAfterSeconds?: number;
}

/** A request that is answered with an error; thrown inside this folder only. */
export class RequestError extends Error {
  override readonly name = 'RequestError';
  readonly api: ApiError;

  constructor(api: ApiError) {
    super(api.message);
    this.api = api;
  }
}

/** @example throw badRequest('n is 2: one reply at a time', 'n'); */
export function badRequest(message: string, param?: string, code: string | null = null): RequestError {
  return new RequestError({
    status: 400,
    message,
    type: 'invalid_request_error',
    code,
    ...(param === undefined ? {} : { param }),
  });
}

/** What to answer for anything that was thrown. */
export function apiErrorOf(error: unknown): ApiError {
  if (error instanceof RequestError) return error.api;
  if (!isFiducialError(error)) {
    return { status: 500, message: 'The server failed on this request.', type: 'server_error', code: null };
  }
  const message = error.toText();
  if (tooLong.has(error.code)) {
    return { status: 400, message, type: 'invalid_request_error', code: 'context_length_exceeded', param: 'messages' };
  }
  if (/^(chat|generate|score|template)\./.test(error.code) || callers.has(error.code)) {
    return { status: 400, message, type: 'invalid_request_error', code: error.code };
  }
  if (error.code === 'model.worker-crashed' || error.code === 'model.closed') {
    return { status: 503, message, type: 'server_error', code: error.code, retryAfterSeconds: 5 };
  }
  if (error.code.startsWith('endpoint.')) return relayed(error);
  return { status: 500, message, type: 'server_error', code: error.code };
}

const tooLong: ReadonlySet<string> = new Set(['generate.prompt', 'score.prompt', 'network.context']);

/** Codes outside those families that mean that the request asked for what cannot be given. */
const callers: ReadonlySet<string> = new Set([
  'model.unsupported',
  'model.invalid-ask',
  'model.no-chat-template',
  'network.text',
  'network.token',
]);

/** A served model that asks another endpoint: its overload is passed on, its failures are a bad gateway. */
function relayed(error: FiducialError): ApiError {
  const failure = failureOf(error);
  if (failure.overloaded) {
    const seconds = Math.ceil((failure.retryAfterMs ?? 1000) / 1000);
    return {
      status: 429,
      message: error.toText(),
      type: 'rate_limit_error',
      code: error.code,
      retryAfterSeconds: seconds,
    };
  }
  return { status: 502, message: error.toText(), type: 'server_error', code: error.code };
}

/** The body of an error. */
export function errorBody({ message, type, param, code }: ApiError): {
  error: { message: string; type: string; param: string | null; code: string | null };
} {
  return { error: { message, type, param: param ?? null, code } };
}

export function errorResponse(api: ApiError): Response {
  return Response.json(errorBody(api), {
    status: api.status,
    headers: {
      ...(api.retryAfterSeconds === undefined ? {} : { 'retry-after': String(api.retryAfterSeconds) }),
      // The rest of a body that nobody reads ends the connection; the client must not send its next request there.
      ...(api.status === 413 ? { connection: 'close' } : {}),
    },
  });
}
