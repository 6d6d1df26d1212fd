/**
 * Failures of an endpoint, and what the wrappers need to know of them: whether asking again can help, whether the
 * endpoint is overloaded, whether the call may have been billed, how long to wait.
 *
 * The facts live beside the error in a weak map, so that the product keeps one error class and stored errors stay
 * plain. Status codes are read as RFC 9110 and the vendors' API references define them (529 is Anthropic's overload).
 */
import type { ErrorCode } from '../core/errors.ts';
import { FiducialError, isFiducialError } from '../core/errors.ts';

export interface Failure {
  /** The same ask may succeed later. */
  readonly retriable: boolean;
  /** The endpoint says that it is asked too often or has no capacity. */
  readonly overloaded: boolean;
  /** The provider may have worked, and so may charge for it. */
  readonly maybeBilled: boolean;
  readonly status?: number;
  /** What the endpoint asks to wait. */
  readonly retryAfterMs?: number;
  readonly requestId?: string;
}

const facts = new WeakMap<Error, Failure>();
const unknownFailure: Failure = { retriable: false, overloaded: false, maybeBilled: true };

/** A failure with its facts; all that is not given is false. */
export function endpointError(
  code: ErrorCode,
  message: string,
  hint: string,
  failure: Partial<Failure> = {},
  cause?: unknown,
): FiducialError {
  const error = new FiducialError(code, message, hint, cause === undefined ? undefined : { cause });
  facts.set(error, { retriable: false, overloaded: false, maybeBilled: false, ...failure });
  return error;
}

/** What is known of a failure; an error from elsewhere counts as not retriable and perhaps billed. */
export function failureOf(error: unknown): Failure {
  return (error instanceof Error ? facts.get(error) : undefined) ?? unknownFailure;
}

/** Gives `to` the facts of `from`; for errors that are copied. */
export function copyFailure(from: unknown, to: FiducialError): FiducialError {
  const known = from instanceof Error ? facts.get(from) : undefined;
  if (known !== undefined) facts.set(to, known);
  return to;
}

/** The first FiducialError in a chain of causes. */
export function findFiducialError(error: unknown): FiducialError | undefined {
  let current = error;
  for (let depth = 0; depth < 8 && current instanceof Error; depth++) {
    if (isFiducialError(current)) return current;
    current = current.cause;
  }
  return undefined;
}

/**
 * The failure that an HTTP status means.
 *
 * Retriable: 408, 409 (vendors use it for a conflict that passes), 425, 429 and every 5xx but 501 and 505. A 429 whose
 * message says that the account has no credit left will not pass and is not retriable.
 *
 * @param detail the endpoint's own words, already shortened
 */
export function statusError(
  status: number,
  where: string,
  detail: string,
  extra: { retryAfterMs?: number; requestId?: string } = {},
): FiducialError {
  const said = detail === '' ? '' : `: ${detail}`;
  const at = { status, ...extra };
  if (status === 401 || status === 403) {
    return endpointError(
      'endpoint.unauthorised',
      `${where} refused the key (${status})${said}`,
      'Check that the environment variable with this provider’s key is set and that the key may use this model.',
      at,
    );
  }
  if (status === 404) {
    return endpointError(
      'endpoint.not-found',
      `${where} knows no such model or path (404)${said}`,
      'Check the model’s name and the base URL (OpenAI-compatible servers usually want it to end in /v1).',
      at,
    );
  }
  if (status === 429 || status === 529) {
    const outOfCredit = /insufficient_quota|credit balance|exceeded your current quota/i.test(detail);
    return endpointError(
      outOfCredit ? 'endpoint.out-of-credit' : 'endpoint.overloaded',
      `${where} ${outOfCredit ? 'says that the account has no credit left' : 'is asked too often'} (${status})${said}`,
      outOfCredit
        ? 'Top up the account; the run can be resumed.'
        : 'Lower the concurrency or the requests per minute; the run can be resumed.',
      { ...at, retriable: !outOfCredit, overloaded: !outOfCredit },
    );
  }
  if (status === 408 || status === 409 || status === 425 || (status >= 500 && status !== 501 && status !== 505)) {
    return endpointError(
      'endpoint.unavailable',
      `${where} could not answer (${status})${said}`,
      'This is the endpoint’s failure; try again later or look at its logs.',
      { ...at, retriable: true, overloaded: status === 503, maybeBilled: status === 504 || status === 408 },
    );
  }
  return endpointError(
    'endpoint.rejected',
    `${where} rejected the request (${status})${said}`,
    'Read the endpoint’s words above; a setting this model does not take can be turned off by its capabilities.',
    at,
  );
}
