/**
 * What the AI SDK throws and what endpoints say with status 200, read as this project's failures.
 *
 * The SDK's errors carry the whole request and response. Of them only the status, the waiting time, the request's name
 * and the endpoint's own words, shortened, go on; no cause is attached, so that nothing else can be printed by accident.
 */
import { FiducialError } from '../../core/errors.ts';
import { endpointError, findFiducialError, statusError } from '../failure.ts';
import type { CallTrace, ReplyEvent } from '../model.ts';
import { readRateHeaders } from '../rate-headers.ts';

/** An error that came with status 200. */
export function checkBody(body: unknown, where: string): void {
  if (!isRecord(body) || body['error'] === undefined || body['error'] === null) return;
  throw errorInReply(body['error'], where);
}

export function checkFinish(reason: { readonly raw: string | undefined }, where: string, isWhole: boolean): void {
  // Some gateways put a failure of the model behind them into the finish reason.
  if (reason.raw === 'error') throw errorInReply('the reply’s finish reason is "error"', where);
  if (reason.raw === undefined && !isWhole) throw incomplete(where);
}

export function incomplete(where: string) {
  return endpointError(
    'endpoint.incomplete',
    `${where} ended its stream in the middle of the reply`,
    'Try again; if it happens each time, look at the endpoint’s logs.',
    { retriable: true, maybeBilled: true },
  );
}

/** An error inside a reply; one that names an HTTP status is read as that status. */
function errorInReply(error: unknown, where: string) {
  const words = isRecord(error) ? (error['message'] ?? error['type'] ?? error['code']) : error;
  const detail = shorten(typeof words === 'string' ? words : JSON.stringify(error));
  const code = isRecord(error) ? Number(error['code'] ?? error['status']) : Number.NaN;
  const status =
    overloadWords.test(detail) || overloadWords.test(String(isRecord(error) ? error['type'] : '')) ? 529 : code;
  if (status >= 400 && status < 600) return statusError(status, where, detail, {});
  return endpointError(
    'endpoint.error-in-reply',
    `${where} answered with status 200 and an error inside: ${detail}`,
    'Read the endpoint’s words; the model behind it failed or refused the request.',
    { maybeBilled: true },
  );
}

const overloadWords = /overloaded_error|rate_limit_error|\boverloaded\b/i;

export function streamError(error: unknown, where: string): FiducialError {
  const own = findFiducialError(error);
  if (own !== undefined) return own;
  if (error instanceof Error) return explain(error, where);
  return errorInReply(error, where);
}

/** What the SDK threw, as our error: ours if it is inside, else by status, else by what the body was. */
export function explain(error: unknown, where: string): FiducialError {
  const own = findFiducialError(error);
  if (own !== undefined) return own;
  const name = error instanceof Error ? error.name : '';
  if (error instanceof Error && name === 'AI_APICallError') {
    const { statusCode, responseHeaders, responseBody, message } = error as ApiCallError;
    const detail = shorten(providerWords(responseBody) ?? message);
    if (statusCode !== undefined && statusCode >= 400) {
      const rate = readRateHeaders(responseHeaders ?? {}, Date.now());
      const requestId = requestIdOf(responseHeaders);
      return statusError(statusCode, where, detail, {
        ...(rate?.retryAfterMs === undefined ? {} : { retryAfterMs: rate.retryAfterMs }),
        ...(requestId === undefined ? {} : { requestId }),
      });
    }
    const inside = parseJson(responseBody);
    if (isRecord(inside) && inside['error'] !== undefined && inside['error'] !== null) {
      return errorInReply(inside['error'], where);
    }
    return wrongShape(where, inside === undefined && responseBody !== undefined, detail);
  }
  if (name === 'AI_JSONParseError') return wrongShape(where, true, 'a piece of its stream is not JSON');
  if (name === 'AI_TypeValidationError' || name === 'AI_InvalidResponseDataError') {
    const value = (error as { value?: unknown; data?: unknown }).value;
    if (isRecord(value) && value['error'] !== undefined && value['error'] !== null)
      return errorInReply(value['error'], where);
    if (/without a finish reason/.test((error as Error).message)) return incomplete(where);
    return wrongShape(where, false, 'a field is missing or of another type');
  }
  if (name === 'AI_EmptyResponseBodyError' || name === 'AI_NoContentGeneratedError') return incomplete(where);
  if (name === 'AI_UnsupportedFunctionalityError' || name === 'AI_InvalidPromptError') {
    return new FiducialError(
      'model.unsupported',
      `${where}: ${shorten((error as Error).message)}`,
      'Leave it out of the ask, or choose another model.',
    );
  }
  return endpointError(
    'endpoint.failed',
    `${where}: ${shorten(error instanceof Error ? error.message : String(error))}`,
    'This failure is not known to the program; the message is the provider’s.',
    { maybeBilled: true },
  );
}

interface ApiCallError extends Error {
  readonly statusCode?: number;
  readonly responseHeaders?: Record<string, string>;
  readonly responseBody?: string;
}

function wrongShape(where: string, isBroken: boolean, detail: string): FiducialError {
  return endpointError(
    isBroken ? 'endpoint.not-json' : 'endpoint.wrong-shape',
    isBroken
      ? `${where} answered with broken JSON: ${detail}`
      : `${where} answered with JSON that is not a chat reply: ${detail}`,
    'Check that the base URL speaks the API that the address names.',
    { maybeBilled: true },
  );
}

/** A provider's content filter answers with status 400: that is a block, which is data. */
export function asBlocked(error: unknown): ReplyEvent[] | undefined {
  if (!(error instanceof Error) || error.name !== 'AI_APICallError') return undefined;
  const { statusCode, responseBody } = error as ApiCallError;
  const body = statusCode === 400 || statusCode === 403 ? parseJson(responseBody) : undefined;
  const inner = isRecord(body) ? body['error'] : undefined;
  const code = isRecord(inner) ? inner['code'] : undefined;
  if (code !== 'content_filter' && code !== 'content_policy_violation') return undefined;
  return [{ type: 'end', reason: 'blocked', usage: { inputTokens: 0, outputTokens: 0 } }];
}

function providerWords(body: string | undefined): string | undefined {
  const parsed = parseJson(body);
  if (!isRecord(parsed)) return body === undefined ? undefined : body.slice(0, detailLength);
  const error = parsed['error'] ?? parsed['detail'] ?? parsed['message'];
  if (typeof error === 'string') return error;
  if (isRecord(error) && typeof error['message'] === 'string') {
    const kind = error['code'] ?? error['type'];
    return typeof kind === 'string' && !error['message'].includes(kind)
      ? `${error['message']} (${kind})`
      : error['message'];
  }
  return body?.slice(0, detailLength);
}

export function noteHeaders(headers: Record<string, string> | undefined, trace: CallTrace | undefined): void {
  if (headers === undefined || trace === undefined) return;
  const requestId = requestIdOf(headers);
  if (requestId !== undefined) trace.requestId = requestId;
  const rate = readRateHeaders(headers, Date.now());
  if (rate !== undefined) trace.rate = rate;
}

function requestIdOf(headers: Record<string, string> | undefined): string | undefined {
  return headers?.['x-request-id'] ?? headers?.['request-id'];
}

function parseJson(body: string | undefined): unknown {
  if (body === undefined) return undefined;
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function shorten(words: string): string {
  const line = words.replace(/\s+/g, ' ').trim();
  return line.length <= detailLength ? line : `${line.slice(0, detailLength - 1)}…`;
}

/** As much of an endpoint's own words as goes into an error. */
const detailLength = 300;
