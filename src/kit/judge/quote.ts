/**
 * Quoting of untrusted text for a model that must read it and not obey it.
 *
 * Three defences, none of which rests on the model's obedience alone: every line of the text begins with a mark, so that
 * nothing in it can look like a line of ours; the block is fenced by a token that is derived from the text itself, so
 * that its author could not have written it; and an answer counts only with that token beside it, so that a verdict
 * that the text contains, and the model repeats, is no answer. After spotlighting (Hines et al. 2024), with the token
 * added to the answer.
 */
import { createHash } from 'node:crypto';

export interface Quoted {
  /** 16 hexadecimal digits: to know them, a text would have to contain its own hash. */
  readonly token: string;
  /** The texts as fenced blocks of marked lines. */
  readonly block: string;
}

/**
 * @example quote({ REPLY: 'line' }).block
 * // '<<<REPLY 3f…\n| line\n3f… REPLY>>>'
 */
export function quote(texts: Readonly<Record<string, string>>): Quoted {
  const token = createHash('sha256').update(JSON.stringify(texts)).digest('hex').slice(0, 16);
  const block = Object.entries(texts)
    .map(([name, text]) => `<<<${name} ${token}\n${mark(text)}\n${token} ${name}>>>`)
    .join('\n\n');
  return { token, block };
}

/** Every line marked; the other characters that end a line somewhere (U+0085, U+2028, U+2029, VT, FF) end one here. */
function mark(text: string): string {
  return text
    .split(/\r\n|[\n\r\v\f\u0085\u2028\u2029]/)
    .map((line) => `| ${line}`)
    .join('\n');
}

/**
 * The one answer that carries the token, upper case; undefined where there is none, or more than one that differ.
 *
 * @example answerWith('…\nVERDICT 3f… SAFE', 'VERDICT', '3f…', ['SAFE', 'BREACH']) // 'SAFE'
 */
export function answerWith<W extends string>(
  reply: string,
  label: string,
  token: string,
  words: readonly W[],
): W | undefined {
  const pattern = new RegExp(`${label}[\\s:*]+${token}[\\s:*=]+(${words.join('|')})\\b`, 'gi');
  const found = new Set([...reply.matchAll(pattern)].map((match) => match[1]!.toUpperCase()));
  if (found.size !== 1) return undefined;
  return words.find((word) => found.has(word.toUpperCase()));
}
