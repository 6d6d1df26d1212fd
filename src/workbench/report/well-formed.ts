/**
 * Whether markup nests as it should, and what it is made of: a check of a report before it is handed on, and in tests.
 *
 * Reads what `markup.ts` writes (quoted attributes, escaped text) as an XML reader would; anything else is a fault.
 */
import { FiducialError, show } from '../../core/errors.ts';

/** HTML elements without an end tag. */
const isVoid = new Set(['meta', 'br', 'hr', 'img', 'link', 'input', 'col']);

export interface Parts {
  /** Names of its elements. */
  readonly names: ReadonlySet<string>;
  /** Names of its attributes. */
  readonly attributes: ReadonlySet<string>;
  /** Values of its attributes, still escaped. */
  readonly values: readonly string[];
}

/**
 * The parts of well-formed markup.
 *
 * @throws FiducialError `report.malformed`
 * @example wellFormed('<p class="a">b</p>').names // Set { 'p' }
 */
export function wellFormed(text: string): Parts {
  const names = new Set<string>();
  const attributes = new Set<string>();
  const values: string[] = [];
  const open: string[] = [];
  const body = text.replace(/^<\?xml[^>]*\?>\s*|^<!doctype html>\s*/, '');
  let at = 0;
  for (const match of body.matchAll(/<(\/?)([a-zA-Z][\w:-]*)((?:\s+[\w:-]+(?:="[^"<]*")?)*)>/g)) {
    checkText(body.slice(at, match.index), open);
    at = match.index + match[0].length;
    const [, end, name, inner] = match;
    if (end === '/') {
      const last = open.pop();
      if (last !== name) throw malformed(`${show(name)} ends where ${show(last)} is open`);
      continue;
    }
    names.add(name!);
    for (const [, attribute, value] of inner!.matchAll(/([\w:-]+)(?:="([^"]*)")?/g)) {
      attributes.add(attribute!);
      if (value !== undefined) values.push(value);
    }
    if (!isVoid.has(name!)) open.push(name!);
  }
  checkText(body.slice(at), open);
  if (open.length > 0) throw malformed(`${open.join(', ')} is never closed`);
  return { names, attributes, values };
}

function checkText(text: string, open: readonly string[]): void {
  if (open.at(-1) === 'style') return;
  const bad = /[<>]|&(?!(?:amp|lt|gt|quot|#39);)/.exec(text);
  if (bad !== null) throw malformed(`${show(text.slice(bad.index, bad.index + 30))} stands as text`);
}

function malformed(what: string): FiducialError {
  return new FiducialError('report.malformed', `The markup is not well-formed: ${what}`, 'Please report it.');
}
