/**
 * Picking a value out of JSON by a dotted path, and filling placeholders: the two halves of an HTTP template.
 *
 * The path is the small part of JSONPath (RFC 9535) that names one place, plus `[*]` to gather over a list:
 * `choices[0].message.content`, `$.output[*].text`, `['odd key'].x`. Placeholders are `{{name}}`; what is filled in is
 * escaped for where it stands, so that a prompt can break neither JSON, a URL nor a header.
 */
import { FiducialError, show } from '../../core/errors.ts';
import type { Json } from '../../core/values.ts';

export type Selector = (value: Json) => Json | undefined;

/**
 * @throws FiducialError `template.invalid` for a path that cannot be read
 * @example compileSelector('choices[0].text')({ choices: [{ text: 'hi' }] }) === 'hi'
 */
export function compileSelector(path: string): Selector {
  const steps: (string | number | typeof each)[] = [];
  let rest = path.trim().replace(/^\$/, '');
  while (rest !== '') {
    const match =
      /^\.?([A-Za-z_][\w-]*)/.exec(rest) ??
      /^\.?\[(\*)\]/.exec(rest) ??
      /^\.?\[(\d+)\]/.exec(rest) ??
      /^\.(\d+)(?=\.|\[|$)/.exec(rest) ??
      /^\.?\['([^']*)'\]/.exec(rest) ??
      /^\.?\["([^"]*)"\]/.exec(rest);
    if (match === null) {
      throw new FiducialError(
        'template.invalid',
        `The selector ${show(path)} cannot be read from ${show(rest)} on`,
        'Write it like choices[0].message.content.',
      );
    }
    const [whole, step = ''] = match;
    const isQuoted = whole.includes('[') && /['"]/.test(whole);
    steps.push(step === '*' && !isQuoted ? each : /^\d+$/.test(step) && !isQuoted ? Number(step) : step);
    rest = rest.slice(whole.length);
  }
  return (value) => walk(value, steps, 0);
}

function walk(value: Json, steps: readonly (string | number | typeof each)[], from: number): Json | undefined {
  let at: Json | undefined = value;
  for (let i = from; i < steps.length; i++) {
    const step = steps[i]!;
    if (at === null || typeof at !== 'object') return undefined;
    if (step === each) {
      if (!Array.isArray(at)) return undefined;
      return (at as readonly Json[]).map((item) => walk(item, steps, i + 1)).filter((item) => item !== undefined);
    }
    if (Array.isArray(at)) at = typeof step === 'number' ? (at as readonly Json[])[step] : undefined;
    else at = Object.hasOwn(at, step) ? (at as { readonly [key: string]: Json })[step] : undefined;
  }
  return at;
}

const each = Symbol('each');

/** What placeholders stand for. */
export type Values = Readonly<Record<string, Json | undefined>>;

/**
 * Fills the placeholders of a JSON template: a string that is one placeholder becomes the value itself, whatever its
 * type, and its member is left out when there is none; inside a longer string the value is written as text.
 *
 * @throws FiducialError `template.unknown-placeholder`
 * @example fillJson({ q: '{{prompt}}', n: '{{maxTokens}}' }, { prompt: 'say "hi"' }) // { q: 'say "hi"' }
 */
export function fillJson(template: Json, values: Values): Json | undefined {
  if (typeof template === 'string') {
    const only = /^\{\{\s*([\w.]+)\s*\}\}$/.exec(template);
    return only === null ? fillText(template, values, asText) : lookUp(only[1]!, values);
  }
  if (template === null || typeof template !== 'object') return template;
  if (Array.isArray(template)) {
    return (template as readonly Json[]).map((item) => fillJson(item, values)).filter((item) => item !== undefined);
  }
  const filled: Record<string, Json> = {};
  for (const [key, member] of Object.entries(template as { readonly [key: string]: Json })) {
    const value = fillJson(member, values);
    if (value !== undefined) filled[key] = value;
  }
  return filled;
}

/** Fills the placeholders of a text, each value written by `write`. @throws FiducialError `template.unknown-placeholder` */
export function fillText(template: string, values: Values, write: (value: Json) => string): string {
  return template.replace(/\{\{\s*([\w.]+)\s*\}\}/g, (_, name: string) => {
    const value = lookUp(name, values);
    return value === undefined ? '' : write(value);
  });
}

/** A value inside a JSON text: a string without its quotes, everything else as JSON. */
export function asJsonText(value: Json): string {
  return typeof value === 'string' ? JSON.stringify(value).slice(1, -1) : JSON.stringify(value);
}

export function asText(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** A value inside a URL. */
export function asUrlPart(value: Json): string {
  return encodeURIComponent(asText(value));
}

/** A value inside a header: printable ASCII; a line break, which would begin another header, becomes a space. */
export function asHeaderText(value: Json): string {
  return asText(value).replace(/[^\x20-\x7e]/g, ' ');
}

function lookUp(name: string, values: Values): Json | undefined {
  if (Object.hasOwn(values, name)) return values[name];
  throw new FiducialError(
    'template.unknown-placeholder',
    `The template has a placeholder {{${name}}}, which stands for nothing`,
    `Known are ${Object.keys(values).join(', ')} and env.NAME.`,
  );
}
