/**
 * Failures over the API: `{ error: { code, message, hint } }` with a status. What the caller can mend is said in full;
 * of a fault of this program the caller learns only that it happened.
 */
import { HTTPException } from 'hono/http-exception';
import { type ErrorCode, FiducialError, isFiducialError } from '../../core/errors.ts';

export interface ErrorBody {
  readonly error: { readonly code: string; readonly message: string; readonly hint: string };
}

const statuses = new WeakMap<FiducialError, number>();

/** An error of the API's own, with its status. */
export function statusError(status: number, code: ErrorCode, message: string, hint: string): FiducialError {
  const error = new FiducialError(code, message, hint);
  statuses.set(error, status);
  return error;
}

/** What to answer for anything that was thrown. */
export function errorReply(error: unknown): { readonly status: number; readonly body: ErrorBody } {
  if (error instanceof HTTPException) {
    const body = { code: 'server.bad-request', message: error.message, hint: '' };
    return { status: error.status, body: { error: body } };
  }
  if (!isFiducialError(error)) {
    const body = { code: 'server.fault', message: 'The server failed on this request.', hint: 'Its log says why.' };
    return { status: 500, body: { error: body } };
  }
  const { code, message, hint } = error;
  return { status: statuses.get(error) ?? statusOf(code), body: { error: { code, message, hint } } };
}

function statusOf(code: ErrorCode): number {
  const own = byCode[code];
  if (own !== undefined) return own;
  const [family] = code.split('.', 1);
  return callers.has(family!) ? 400 : 500;
}

const byCode: Readonly<Record<string, number>> = {
  'store.no-run': 404,
  'store.missing': 404,
  'store.purged': 410,
  'store.ambiguous-run': 409,
  'store.bad-cursor': 400,
  'store.bad-limit': 400,
  'store.bad-offset': 400,
  'store.bad-name': 400,
  'store.bad-ref': 400,
  'store.layer-differs': 409,
  'store.locked': 503,
  'store.unreachable': 503,
  'run.busy': 409,
  'run.not-authorised': 403,
  'method.unknown': 404,
  'model.worker-crashed': 503,
};

/** Families whose errors mean that the request asked for what cannot be given. */
const callers: ReadonlySet<string> = new Set([
  'run',
  'rescore',
  'compare',
  'correction',
  'data',
  'judge',
  'labels',
  'material',
  'method',
  'model',
  'endpoint',
  'budget',
  'chat',
  'generate',
  'score',
  'template',
  'network',
  'checkpoint',
  'tokenizer',
  'statistics',
  'server',
  'observations',
  'guard',
  'lab',
  'inside',
]);
