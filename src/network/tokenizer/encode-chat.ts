/**
 * A conversation as tokens, such that what messages say can't make control tokens.
 *
 * The rendered text is tokenized as a whole, so ordinary text gives the tokens that transformers gives; but a special
 * token is recognised only where none of its characters came from a message. Where characters came from is found by
 * rendering a second time with a marker (a private-use character that occurs nowhere) after every visible character of
 * every text in messages, tools and documents: the markers survive `trim`, `tojson`, `upper` and the like. If taking
 * them out again gives the first text, every marked character is known. A template that looks into contents
 * (`startswith`, `split`) may give another text; then the contents are marked only inside special tokens' strings, and
 * inside beginnings and ends of such strings at a content's edge, and what the template makes of that is the text.
 * Bound: in that second case a template that deletes or rewrites characters within contents could still join one.
 */
import { FiducialError, isFiducialError, show } from '../../core/errors.ts';
import { renderChat, type ChatMessage, type ChatTemplateOptions } from './chat-template.ts';
import { isRecord } from './fields.ts';
import type { Encoding, Tokenizer } from './tokenizer.ts';

/** A conversation as tokens, with the text that they stand for. */
export interface ChatEncoding extends Encoding {
  readonly text: string;
}

/**
 * Renders and tokenizes a conversation; the template alone decides about `<s>` and the like.
 *
 * @throws FiducialError as `renderChat`; `chat.role` for a role that holds a special token
 * @example
 * const { ids } = encodeChat(tokenizer, template, [{ role: 'user', content: 'Hi <|im_end|>' }]);
 * // the content's <|im_end|> is six or so ordinary tokens
 */
export function encodeChat(
  tokenizer: Tokenizer,
  template: string,
  messages: readonly ChatMessage[],
  options: ChatTemplateOptions = {},
): ChatEncoding {
  const specials = [...tokenizer.specialTokens.keys()].filter((token) => token !== '');
  for (const { role } of messages) {
    const held = specials.find((token) => role.includes(token));
    if (held === undefined) continue;
    throw new FiducialError(
      'chat.role',
      `a role is ${show(role)}, which holds the control token ${held}`,
      'Use a word.',
    );
  }
  const input = { messages, tools: options.tools, documents: options.documents };
  const marker = unusedCharacter(`${template}${JSON.stringify(input)}${JSON.stringify(options.variables ?? {})}`);
  const inside = markerOfSpecials(specials, marker);
  const render = (mark: (text: string) => string): Marked => {
    const { messages: ownMessages, tools, documents } = markStrings(input, mark, inside);
    return unmark(renderChat(template, ownMessages, { ...options, ...defined({ tools, documents }) }), marker);
  };

  const plain = renderChat(template, messages, options);
  const everywhere = (text: string): string => text.replaceAll(/\S/gu, (character) => character + marker);
  const whole = attempt(() => render(everywhere));
  const marked = whole?.text === plain ? whole : render(inside);
  const touched = marked === whole ? rangeCounter(plain.length, visibleBefore(plain, whole.marks)) : undefined;
  const mayStand = (start: number, end: number): boolean =>
    touched === undefined ? !marked.marks.some((mark) => mark > start && mark < end) : touched(start, end) === 0;
  return {
    text: marked.text,
    ...tokenizer.encodeWithOffsets(marked.text, { specialTokens: mayStand, addSpecialTokens: false }),
  };
}

interface Marked {
  readonly text: string;
  /** Positions in `text` before which a marker stood, ascending. */
  readonly marks: readonly number[];
}

/** Takes the markers out; a template that escapes JSON to ASCII writes them as `\uXXXX`. */
function unmark(text: string, marker: string): Marked {
  const escaped = `\\\\u${marker.charCodeAt(0).toString(16).padStart(4, '0')}`;
  const marks: number[] = [];
  let length = 0;
  const parts = text.split(new RegExp(`${marker}|${escaped}`, 'iu'));
  for (const part of parts.slice(0, -1)) {
    length += part.length;
    marks.push(length);
  }
  return { text: parts.join(''), marks };
}

/** The units of the characters that end at `marks`. */
function visibleBefore(text: string, marks: readonly number[]): number[] {
  return marks.flatMap((mark) => {
    const low = text.charCodeAt(mark - 1);
    return low >= 0xdc00 && low <= 0xdfff ? [mark - 2, mark - 1] : [mark - 1];
  });
}

/** Counts how many of `units` lie in a range, in constant time. */
function rangeCounter(length: number, units: readonly number[]): (start: number, end: number) => number {
  const before = new Int32Array(length + 1);
  for (const unit of units) if (unit >= 0) before[unit + 1] = 1;
  for (let i = 1; i <= length; i++) before[i]! += before[i - 1]!;
  return (start, end) => before[end]! - before[start]!;
}

/** Marks the inside of every special token's string, in any case, and of parts of one at either edge. */
function markerOfSpecials(specials: readonly string[], marker: string): (text: string) => string {
  if (specials.length === 0) return (text) => text;
  const escape = (token: string): string => token.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`);
  const longestFirst = specials.toSorted((a, b) => b.length - a.length);
  const anywhere = new RegExp(longestFirst.map(escape).join('|'), 'giu');
  return (text) => {
    const places = new Set<number>();
    const firstOf = (at: number): number => (text.codePointAt(at)! > 0xffff ? 2 : 1);
    for (const { index } of text.matchAll(anywhere)) places.add(index + firstOf(index));
    const lower = text.toLowerCase();
    for (const token of specials.map((special) => special.toLowerCase())) {
      for (let size = Math.min(token.length - 1, text.length); size > 0; size--) {
        const start = text.length - size;
        if (lower.endsWith(token.slice(0, size))) places.add(start + firstOf(start));
        if (lower.startsWith(token.slice(-size))) places.add(size === 1 ? 0 : firstOf(0));
      }
    }
    const cuts = [...places].filter((place) => place <= text.length).sort((a, b) => a - b);
    return [0, ...cuts].map((cut, i) => text.slice(cut, cuts[i] ?? text.length)).join(marker);
  };
}

/** Applies `mark` to every text in `value` but roles and types, which templates compare; `markKey` to keys. */
function markStrings<T>(value: T, mark: (text: string) => string, markKey: (key: string) => string): T;
function markStrings(value: unknown, mark: (text: string) => string, markKey: (key: string) => string): unknown {
  if (typeof value === 'string') return mark(value);
  if (Array.isArray(value)) return value.map((item: unknown) => markStrings(item, mark, markKey));
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      const isCompared = (key === 'role' || key === 'type') && typeof item === 'string';
      return [markKey(key), isCompared ? markKey(item) : markStrings(item, mark, markKey)];
    }),
  );
}

function defined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> };
function defined(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** What `render` gives; undefined where the template refuses marked contents, which then are marked less. */
function attempt<T>(render: () => T): T | undefined {
  try {
    return render();
  } catch (error) {
    if (isFiducialError(error, 'chat.template') || isFiducialError(error, 'chat.refused')) return undefined;
    throw error;
  }
}

function unusedCharacter(text: string): string {
  for (let code = 0xe000; code <= 0xf8ff; code++) {
    const character = String.fromCharCode(code);
    if (!text.includes(character)) return character;
  }
  throw new FiducialError(
    'chat.template',
    'the conversation uses every private-use character from U+E000 to U+F8FF, so none is left to mark it with',
    'Remove the private-use characters.',
  );
}
