/**
 * Masking secrets in everything that is stored or shown: asks, replies, log-probabilities' tokens, errors and causes.
 *
 * Two kinds are known: exact values (keys in the environment, configured headers), also in their percent, base64 and
 * JSON spellings; and shapes of common credentials. A reply is masked before it is delivered, not only before it is
 * stored, so that a resumed run sees what the first one saw. A secret that is planted on purpose (a canary of a test)
 * is exempted by its value.
 */
import { FiducialError } from '../core/errors.ts';
import type { Json } from '../core/values.ts';
import { copyFailure } from './failure.ts';
import { joinNeighbours } from './reply.ts';
import type { ReplyEvent, TokenLogprob } from './model.ts';

export interface RedactOptions {
  /** Where keys are looked for: values of variables whose names say so. @default process.env */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Further exact secrets, by the name to show in their place. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** Further shapes; each match is masked. */
  readonly patterns?: readonly RegExp[];
  /** Strings that look like secrets and are none: planted canaries. */
  readonly exempt?: readonly string[];
}

export interface Redactor {
  text(text: string): string;
  /** A text that may have been shortened, as errors quote answers: the beginnings of secrets are masked too. */
  excerpt(text: string): string;
  /** Strings and keys anywhere inside a JSON value; the same object when nothing was masked. */
  json(value: Json): Json;
  /** A copy of the error, its causes and their stacks, always a FiducialError. */
  error(error: unknown): FiducialError;
  /** Events with neighbours joined, so that no secret hides across a seam, and masked. */
  events(events: readonly ReplyEvent[]): ReplyEvent[];
  /**
   * Masks a text that comes in pieces. Pieces are held back while they may be the beginning of an exact secret; a
   * shape that is spread over pieces is not seen.
   */
  stream(): { push(piece: string): string; flush(): string };
}

/**
 * @example const redactor = createRedactor({ secrets: { 'header x-team-key': 'abc123def' } });
 * redactor.text('key abc123def') === 'key [redacted:header x-team-key]'
 */
export function createRedactor(options: RedactOptions = {}): Redactor {
  const exempt = new Set(options.exempt);
  const names = new Map<string, string>();
  const add = (name: string, secret: string | undefined) => {
    // Shorter values are words that occur by chance; masking them would garble texts.
    if (secret === undefined || secret.length < shortestSecret || exempt.has(secret)) return;
    for (const spelling of spellings(secret)) if (!names.has(spelling)) names.set(spelling, name);
  };
  for (const [name, value] of Object.entries(options.env ?? process.env)) if (isSecretName(name)) add(name, value);
  for (const [name, value] of Object.entries(options.secrets ?? {})) add(name, value);

  const exact = [...names.keys()].sort((a, b) => b.length - a.length);
  const exactPattern = exact.length === 0 ? undefined : new RegExp(exact.map((word) => escape(word)).join('|'), 'g');
  const shapes = [...credentialShapes, ...(options.patterns ?? [])];
  const shapePattern = new RegExp(shapes.map((shape) => `(?:${shape.source})`).join('|'), 'g');

  const mask = (text: string): string => {
    let masked = text;
    if (exactPattern !== undefined) {
      masked = masked.replace(exactPattern, (found) => `[redacted:${names.get(found) ?? 'secret'}]`);
    }
    if (text.length >= shortestSecret) {
      masked = masked.replace(shapePattern, (found) => (exempt.has(found) ? found : '[redacted:credential]'));
    }
    return masked;
  };

  const beginnings = exact.map((word) => escape(word.slice(0, beginningLength(word))));
  const cutPattern = new RegExp(
    [...beginnings, ...cutShapes].map((source) => `(?:${source}[^\\s"'…]*)`).join('|'),
    'g',
  );
  const maskExcerpt = (text: string): string =>
    mask(text).replace(cutPattern, (found) => (exempt.has(found) ? found : '[redacted:cut off]'));

  const maskJson = (value: Json): Json => {
    if (typeof value === 'string') return mask(value);
    if (value === null || typeof value !== 'object') return value;
    if (Array.isArray(value)) {
      const items = value as readonly Json[];
      const masked = items.map((item) => maskJson(item));
      return masked.every((item, i) => item === items[i]) ? items : masked;
    }
    let changed = false;
    const masked: Record<string, Json> = {};
    for (const [key, member] of Object.entries(value as { readonly [key: string]: Json })) {
      if (member === undefined) continue;
      const newKey = mask(key);
      const newMember = maskJson(member);
      masked[newKey] = newMember;
      changed ||= newKey !== key || newMember !== member;
    }
    return changed ? masked : value;
  };

  /** Masks the tokens that spell out a secret together; their log-probabilities stay. */
  const maskTokens = (tokens: readonly TokenLogprob[]): readonly TokenLogprob[] => {
    const whole = tokens.map((token) => token.token).join('');
    if (mask(whole) === whole) return tokens.map((token) => maskAlternatives(token));
    const ranges = [
      ...(exactPattern === undefined ? [] : whole.matchAll(exactPattern)),
      ...whole.matchAll(shapePattern),
    ]
      .filter((match) => !exempt.has(match[0]))
      .map((match) => [match.index, match.index + match[0].length] as const);
    let offset = 0;
    return tokens.map((token) => {
      const start = offset;
      offset += token.token.length;
      const isInside = ranges.some(([low, high]) => start < high && offset > low);
      return isInside ? { token: '[redacted]', logprob: token.logprob } : maskAlternatives(token);
    });
  };
  const maskAlternatives = (token: TokenLogprob): TokenLogprob =>
    token.alternatives === undefined
      ? token
      : {
          ...token,
          alternatives: token.alternatives.map((other) => ({ token: mask(other.token), logprob: other.logprob })),
        };

  const maskEvent = (event: ReplyEvent): ReplyEvent => {
    switch (event.type) {
      case 'text': {
        const text = mask(event.text);
        if (event.logprobs !== undefined) return { type: 'text', text, logprobs: maskTokens(event.logprobs) };
        return text === event.text ? event : { type: 'text', text };
      }
      case 'reasoning':
        return { type: 'reasoning', text: mask(event.text) };
      default:
        return maskJson(event as unknown as Json) as unknown as ReplyEvent;
    }
  };

  const maskError = (error: unknown, depth = 0): Error => {
    const message = maskExcerpt(error instanceof Error ? error.message : String(error));
    // Causes may carry whole requests in properties of their own; only name, message, code and stack go on.
    const cause =
      error instanceof Error && error.cause !== undefined && depth < deepestCause
        ? maskError(error.cause, depth + 1)
        : undefined;
    const options = cause === undefined ? undefined : { cause };
    let copy: Error;
    if (error instanceof FiducialError) {
      copy = copyFailure(error, new FiducialError(error.code, message, maskExcerpt(error.hint), options));
    } else if (depth === 0) {
      copy = new FiducialError(
        'model.failed',
        `The model threw ${error instanceof Error ? error.name : 'a value'}: ${message}`,
        'The fault is in the model’s own code or its connection; its stack is on this error.',
        options,
      );
    } else copy = Object.assign(new Error(message, options), codeOf(error));
    if (error instanceof Error && error.stack !== undefined) copy.stack = maskExcerpt(error.stack);
    return copy;
  };

  return {
    text: mask,
    excerpt: maskExcerpt,
    json: maskJson,
    error: (error) => maskError(error) as FiducialError,
    events: (events) => joinNeighbours(events).map((event) => maskEvent(event)),
    stream() {
      let held = '';
      return {
        push(piece) {
          const joined = mask(held + piece);
          const keep = longestPrefixAtEnd(joined, exact);
          held = keep === 0 ? '' : joined.slice(-keep);
          return keep === 0 ? joined : joined.slice(0, -keep);
        },
        flush() {
          const rest = mask(held);
          held = '';
          return rest;
        },
      };
    },
  };
}

/** Length of the longest end of `text` that begins one of `words`. */
function longestPrefixAtEnd(text: string, words: readonly string[]): number {
  let longest = 0;
  for (const word of words) {
    for (let length = Math.min(word.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(word.slice(0, length))) {
        longest = length;
        break;
      }
    }
  }
  return longest;
}

/** How a secret may be written inside other texts. */
function spellings(secret: string): Set<string> {
  const base64 = Buffer.from(secret).toString('base64');
  return new Set([
    secret,
    encodeURIComponent(secret),
    JSON.stringify(secret).slice(1, -1),
    base64,
    base64.replace(/=+$/, ''),
    Buffer.from(secret).toString('base64url'),
  ]);
}

function isSecretName(name: string): boolean {
  return /(^|_)(API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|ACCESS_KEY_ID|PAT|DSN)$/i.test(name);
}

/** How much of a secret's beginning gives it away; a scheme such as `postgres` at its head is a word by itself. */
function beginningLength(secret: string): number {
  return /^[a-z]{4,}/i.test(secret) ? Math.max(shortestSecret, Math.ceil(secret.length / 2)) : shortestSecret;
}

function codeOf(error: unknown): { code?: string } {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? { code } : {};
}

function escape(word: string): string {
  return word.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
}

const shortestSecret = 8;
const deepestCause = 4;

/** The heads of the shapes below, for what was cut off before it was long enough to match one. */
const cutShapes: readonly string[] = [
  String.raw`\bsk-[A-Za-z0-9_-]{4,}(?=…)`,
  String.raw`\bAIza[0-9A-Za-z_-]{4,}(?=…)`,
  String.raw`\b(?:gh[pousr]_|github_pat_|hf_|xox[abprs]-)[A-Za-z0-9_-]{4,}(?=…)`,
  String.raw`\bBearer [A-Za-z0-9._~+/-]{4,}(?=…)`,
];

/** Credentials whose issuers document a recognisable shape. */
const credentialShapes: readonly RegExp[] = [
  /\bsk-[A-Za-z0-9_-]{20,}/,
  /\bAIza[0-9A-Za-z_-]{35}/,
  /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/,
  /\bgh[pousr]_[A-Za-z0-9]{36,}/,
  /\bgithub_pat_[A-Za-z0-9_]{22,}/,
  /\bhf_[A-Za-z0-9]{30,}/,
  /\bxox[abprs]-[A-Za-z0-9-]{10,}/,
  /\bBearer [A-Za-z0-9._~+/-]{16,}=*/,
  /\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}/,
  // A password inside an address.
  /(?<=:\/\/[^\s/:@]{1,64}:)[^\s/@]{4,}(?=@)/,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----/,
];
