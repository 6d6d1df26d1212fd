/**
 * The failures that the guarded fetch gives, each with its reason and what to do.
 *
 * Codes of the network and of the HTTP parser are Node's (its documentation, "Common system errors", and llhttp's HPE_*).
 * Which of them can be tried again, and which may have been billed, is decided here.
 */
import type { FiducialError } from '../../core/errors.ts';
import { endpointError } from '../failure.ts';
import type { FetchLimits } from './fetch-limits.ts';

export function redirected(from: URL, to: string): FiducialError {
  return endpointError(
    'endpoint.redirect',
    `${from.host} sends the request on to ${to}`,
    'Keys and prompts are not sent on. If that address is right, use it as the base URL.',
  );
}

export function tooLarge(url: URL, most: number, what = 'the answer'): FiducialError {
  return endpointError(
    'endpoint.too-large',
    `${url.host}: ${what} is larger than ${most} bytes and was cut off`,
    'If answers of that size are meant, raise limits.maxBytes.',
    { maybeBilled: true },
  );
}

export function notUtf8(url: URL): FiducialError {
  return endpointError(
    'endpoint.not-utf8',
    `${url.host} answered with bytes that are not UTF-8`,
    'JSON and event streams are UTF-8 by definition (RFC 8259); the endpoint must send it.',
    { maybeBilled: true },
  );
}

export function timedOut(
  url: URL,
  phase: 'connect' | 'headers' | 'idle' | 'total',
  limits: FetchLimits,
): FiducialError {
  const setting = `${phase}Ms` as const;
  const what = {
    connect: 'did not accept a connection within',
    headers: 'did not begin to answer within',
    idle: 'went silent in the middle of its answer for',
    total: 'was not done with its answer within',
  }[phase];
  return endpointError(
    'endpoint.timeout',
    `${url.host} ${what} ${limits[setting] / 1000} s`,
    `If the endpoint is only slow, raise limits.${setting}.`,
    { retriable: phase !== 'total', maybeBilled: phase !== 'connect' },
  );
}

export function networkError(url: URL, error: unknown): FiducialError {
  const code = codeOf(error) ?? '';
  const at = url.host;
  if (code === 'HPE_HEADER_OVERFLOW') {
    return endpointError('endpoint.headers', `${at} sent more headers than a reply can need`, 'Mend the endpoint.');
  }
  if (code.startsWith('HPE_')) {
    return endpointError('endpoint.not-http', `${at} does not speak HTTP (${code})`, 'Check the address and its port.');
  }
  if (code.startsWith('Z_') || code.startsWith('ERR_BROTLI') || code.startsWith('ERR__ERROR')) {
    return endpointError('endpoint.encoding', `${at} sent a compressed body that is broken (${code})`, 'Mend it.');
  }
  if (/^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ENETDOWN|EADDRNOTAVAIL)$/.test(code)) {
    return endpointError(
      'endpoint.unreachable',
      `${at} cannot be reached (${code})`,
      code === 'ECONNREFUSED' ? 'Start the server, or check its port.' : 'Check the host’s name and the network.',
      { retriable: true },
    );
  }
  if (/CERT|SSL|TLS|ALTNAME|SELF_SIGNED|UNABLE_TO/.test(code)) {
    return endpointError('endpoint.certificate', `${at} has no valid certificate (${code})`, 'Mend its certificate.');
  }
  // What is left (ECONNRESET, EPIPE, "aborted" in the middle of a body) is a connection that broke.
  return endpointError(
    'endpoint.reset',
    `${at} broke the connection off${code === '' ? '' : ` (${code})`}`,
    'Try again; if it happens each time, look at the endpoint’s logs.',
    { retriable: true, maybeBilled: true },
  );
}

export function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}
