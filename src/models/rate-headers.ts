/**
 * Rate-limit headers of endpoints, read into one shape.
 *
 * Sources: RFC 9110 section 10.2.3 (`retry-after`: seconds or a date); OpenAI's rate-limit guide
 * (`x-ratelimit-remaining-requests`, `-tokens`, `x-ratelimit-reset-*` as durations such as `1m30.5s` or `20ms`);
 * Anthropic's rate-limit reference (`anthropic-ratelimit-*-remaining`, `-reset` as RFC 3339 times). `retry-after-ms` is
 * sent by some gateways. What cannot be read is left out: a limit header must never break a reply.
 */
import type { RateSignals } from './model.ts';

/**
 * @param headers names in lower case
 * @param now milliseconds since 1970
 * @example readRateHeaders({ 'retry-after': '2' }, Date.now()) // { retryAfterMs: 2000 }
 */
export function readRateHeaders(
  headers: Readonly<Record<string, string | undefined>>,
  now: number,
): RateSignals | undefined {
  const signals: { -readonly [K in keyof RateSignals]: RateSignals[K] } = {};
  const set = (name: keyof RateSignals, value: number | undefined) => {
    if (value !== undefined && Number.isFinite(value) && value >= 0) signals[name] = value;
  };
  const milliseconds = count(headers['retry-after-ms']);
  set('retryAfterMs', milliseconds ?? waitMs(headers['retry-after'], now));
  set(
    'remainingRequests',
    count(headers['x-ratelimit-remaining-requests'] ?? headers['anthropic-ratelimit-requests-remaining']),
  );
  set(
    'remainingTokens',
    count(
      headers['x-ratelimit-remaining-tokens'] ??
        headers['anthropic-ratelimit-tokens-remaining'] ??
        headers['anthropic-ratelimit-input-tokens-remaining'],
    ),
  );
  set(
    'resetRequestsMs',
    waitMs(headers['x-ratelimit-reset-requests'] ?? headers['anthropic-ratelimit-requests-reset'], now),
  );
  set(
    'resetTokensMs',
    waitMs(
      headers['x-ratelimit-reset-tokens'] ??
        headers['anthropic-ratelimit-tokens-reset'] ??
        headers['anthropic-ratelimit-input-tokens-reset'],
      now,
    ),
  );
  return Object.keys(signals).length === 0 ? undefined : signals;
}

/** A wait in milliseconds from seconds, a duration (`1m30.5s`, `20ms`) or a date; negative waits are 0. */
function waitMs(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined;
  const trimmed = value.trim();
  if (/^\d+(\.\d+)?$/.test(trimmed)) return Number(trimmed) * 1000;
  if (/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(trimmed)) {
    let total = 0;
    for (const [, amount, unit] of trimmed.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
      total += Number(amount) * (unitMs[unit as keyof typeof unitMs] ?? 0);
    }
    return total;
  }
  const date = Date.parse(trimmed);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

function count(value: string | undefined): number | undefined {
  return value === undefined || !/^\d+(\.\d+)?$/.test(value.trim()) ? undefined : Number(value);
}

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
