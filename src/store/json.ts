/**
 * JSON as the store takes it: checked, redacted, canonical, and hashed.
 *
 * `JSON.stringify` turns NaN into null without a word, and a figure must not be lost that way; so every value is walked
 * once on its way in, which is also where secrets are taken out. Canonical form: RFC 8785's ordering (keys by UTF-16
 * code units) and JavaScript's own number and string forms, which are that RFC's.
 */
import { createHash } from 'node:crypto';
import { FiducialError, show } from '../core/errors.ts';
import type { Json, Ref } from '../core/values.ts';

/** Takes secrets out of a string; the identity where nothing is secret. */
export type Redact = (text: string) => string;

/**
 * A redacted copy of a value, or an error where it is not JSON: NaN, infinities, functions, bytes, class instances.
 * Properties that are undefined are left out, as JSON does.
 *
 * @example cleanJson({ score: NaN }, (text) => text) // throws store.not-json: "$.score is NaN"
 */
export function cleanJson(value: unknown, redact: Redact | undefined, path = '$'): Json {
  switch (typeof value) {
    case 'string':
      return redact === undefined ? value : redact(value);
    case 'number':
      if (Number.isFinite(value)) return value;
      throw notJson(path, value);
    case 'boolean':
      return value;
    case 'object':
      break;
    default:
      throw notJson(path, value);
  }
  if (value === null) return null;
  if (Array.isArray(value)) return value.map((item, i) => cleanJson(item, redact, `${path}[${i}]`));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw notJson(path, value);
  const out: Record<string, Json> = {};
  for (const [key, item] of Object.entries(value)) {
    if (item === undefined) continue;
    const name = redact === undefined ? key : redact(key);
    // A plain assignment to __proto__ would set the prototype and lose the property.
    if (name === '__proto__')
      Object.defineProperty(out, name, { value: cleanJson(item, redact, path), enumerable: true });
    else out[name] = cleanJson(item, redact, `${path}.${key}`);
  }
  return out;
}

function notJson(path: string, value: unknown): FiducialError {
  const what = typeof value === 'number' ? String(value) : show(value);
  return new FiducialError(
    'store.not-json',
    `${path} is ${what}, which JSON cannot hold.`,
    'Store numbers that are finite, plain objects and arrays; keep bytes as an artefact; give an item without a value the status "undetermined" or "error".',
  );
}

/** The one text of a JSON value: object keys sorted, no spaces. */
export function canonicalJson(value: Json): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item: Json) => canonicalJson(item)).join(',')}]`;
  const entries = Object.entries(value as { readonly [key: string]: Json | undefined });
  // By code units, not by locale: two machines must agree.
  entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const parts: string[] = [];
  for (const [key, item] of entries) {
    if (item !== undefined) parts.push(`${JSON.stringify(key)}:${canonicalJson(item)}`);
  }
  return `{${parts.join(',')}}`;
}

/** SHA-256 as 64 hexadecimal digits. */
export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

const refPattern = /^sha256:[0-9a-f]{64}$/;

export function toRef(hex: string): Ref {
  return `sha256:${hex}`;
}

/** The digits of a ref. Throws `store.bad-ref` for anything else. */
export function hexOf(ref: string): string {
  if (!refPattern.test(ref)) {
    throw new FiducialError(
      'store.bad-ref',
      `${show(ref)} is not an artefact's address.`,
      'An address is "sha256:" and 64 hexadecimal digits.',
    );
  }
  return ref.slice(7);
}

/** The digits of every ref that a text mentions, each once. */
export function refsIn(text: string): string[] {
  // Most events mention none, and this test costs a tenth of the pattern.
  if (!text.includes('sha256:')) return [];
  const found = new Set<string>();
  for (const match of text.matchAll(/sha256:([0-9a-f]{64})(?![0-9a-f])/g)) found.add(match[1]!);
  return [...found];
}

/**
 * A name (key, item, set, cluster, scope) as the databases can hold and compare it, redacted.
 * Throws `store.bad-name` for empty, over-long or NUL-bearing names, and for half of a surrogate pair.
 */
export function cleanName(what: string, name: string, redact: Redact | undefined): string {
  const text = redact === undefined ? name : redact(name);
  if (text === '' || text.length > 1024 || text.includes('\0') || hasLoneSurrogate(text)) {
    throw new FiducialError(
      'store.bad-name',
      `${what} ${show(text)} cannot be a name: it must have 1 to 1,024 well-formed characters and no NUL.`,
      'Use a short name or a hash as the name, and store the text itself in the event.',
    );
  }
  return text;
}

/** Free text as a column can hold it: NUL and half pairs become U+FFFD. The event keeps the exact text. */
export function columnText(text: string): string {
  return text
    .replaceAll('\0', '\uFFFD')
    .replace(/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g, '\uFFFD');
}

function hasLoneSurrogate(text: string): boolean {
  return /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/.test(text);
}
