/**
 * How the lab's programs read what they are asked: the texts quoted in it, and the form in which an answer is wanted.
 *
 * They serve any method's prompts and know none of them: a quoted text is a fenced block with marked lines, a passage
 * in quotation marks or what follows a label; a wanted form is a JSON Schema of the ask, an object with keys shown in
 * the text, or a closing line of a label, a token and one of some words. What is quoted is never read as a form.
 */
import type { Ask, Message } from '../../models/model.ts';
import type { Json } from '../../core/values.ts';

/** The texts quoted in a message, in order, by the name of their block. */
export interface Quotation {
  readonly name: string;
  readonly text: string;
}

/** A fenced block: `<<<REPLY 3f…`, lines that begin with `| `, `3f… REPLY>>>`. */
const FENCED = /<<<([A-Z][A-Z0-9_ -]*?) ([0-9a-f]{8,64})\n([\s\S]*?)\n\2 \1>>>/g;

/** @example quotations('<<<REPLY 0123abcd\n| hello\n0123abcd REPLY>>>') // [{ name: 'REPLY', text: 'hello' }] */
export function quotations(text: string): Quotation[] {
  return [...text.matchAll(FENCED)].map((match) => ({
    name: match[1]!,
    text: match[3]!
      .split('\n')
      .map((line) => line.replace(/^\| ?/, ''))
      .join('\n'),
  }));
}

/** A text without what is quoted in it: only this part may say what is wanted. */
export function unquoted(text: string): string {
  return text.replaceAll(FENCED, ' ').replaceAll(/^\|.*$/gm, ' ');
}

/** Everything that the asker itself wrote: system and user messages, without quotations. */
export function ownWords(ask: Ask): string {
  return ask.messages
    .filter(({ role }) => role === 'system' || role === 'user')
    .map(({ content }) => unquoted(content))
    .join('\n');
}

/**
 * The quoted text of one of these names in the newest message that has one.
 *
 * Where nothing is fenced: what stands in quotation marks, or after `name:` on a line.
 */
export function quotedAs(messages: readonly Message[], names: readonly string[]): string | undefined {
  const isWanted = (name: string): boolean => names.some((wanted) => name.toUpperCase().includes(wanted.toUpperCase()));
  for (const { content } of messages.toReversed()) {
    const found = quotations(content).find(({ name }) => isWanted(name));
    if (found !== undefined) return found.text;
  }
  for (const { content } of messages.toReversed()) {
    for (const line of content.split('\n')) {
      const match = /^\W*([A-Za-z][A-Za-z ]{1,30}?)\W*:\s*(\S.*)$/.exec(line);
      if (match !== null && isWanted(match[1]!)) return strip(match[2]!);
    }
  }
  return undefined;
}

/** The longest passage in quotation marks, newest message first. */
export function inQuotationMarks(messages: readonly Message[]): string | undefined {
  for (const { content } of messages.toReversed()) {
    const found = [...content.matchAll(/"([^"\n]{8,})"|\u201c([^\u201d\n]{8,})\u201d/g)].map(
      (match) => match[1] ?? match[2]!,
    );
    if (found.length > 0) return found.toSorted((a, b) => b.length - a.length)[0]!;
  }
  return undefined;
}

const strip = (text: string): string => text.trim().replace(/^["'\u201c]+|["'\u201d]+$/g, '');

// --------------------------------------------------------------------------------------------------------------- form

/** A field of a wanted object. */
export interface WantedField {
  readonly key: string;
  readonly type: 'string' | 'number' | 'boolean' | 'array';
}

/** The fields of the object that the answer must be; undefined where no object is wanted. */
export function wantedFields(ask: Ask): WantedField[] | undefined {
  const fromSchema = fieldsOfSchema(ask.schema);
  if (fromSchema !== undefined) return fromSchema;
  const words = ownWords(ask);
  if (!/\bjson\b/i.test(words) && !/\{\s*"/.test(words)) return undefined;
  const keys = new Map<string, WantedField['type']>();
  for (const match of words.matchAll(/"([A-Za-z_][A-Za-z0-9_ -]{0,40})"\s*:\s*("?)(\[|true|false|<?\d|<number)?/g)) {
    if (keys.has(match[1]!)) continue;
    keys.set(match[1]!, match[2] === '"' ? 'string' : typeOfExample(match[3]));
  }
  if (keys.size === 0) return undefined;
  return [...keys].map(([key, type]) => ({ key, type }));
}

function typeOfExample(example: string | undefined): WantedField['type'] {
  if (example === undefined) return 'string';
  if (example === '[') return 'array';
  return example === 'true' || example === 'false' ? 'boolean' : 'number';
}

function fieldsOfSchema(schema: Json | undefined): WantedField[] | undefined {
  const properties = membersOf(schema)?.['properties'];
  const fields = membersOf(properties);
  if (fields === undefined) return undefined;
  return Object.entries(fields).map(([key, value]) => {
    const type = membersOf(value)?.['type'];
    const known = type === 'integer' ? 'number' : type;
    return { key, type: known === 'number' || known === 'boolean' || known === 'array' ? known : 'string' };
  });
}

function membersOf(value: Json | undefined): Readonly<Record<string, Json>> | undefined {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject ? (value as Readonly<Record<string, Json>>) : undefined;
}

/** A closing line that is wanted: `VERDICT 3f… SAFE`. */
export interface WantedLine {
  readonly label: string;
  /** Written between label and word, where one is asked for. */
  readonly token: string | undefined;
  readonly words: readonly string[];
}

/**
 * The closing line that the newest of these words ask for: a label in capitals, a token, one of some words.
 *
 * @example wantedLine('End with one line: the word VERDICT, the token 3f00aa11, and one of BREACH, SAFE.')
 */
export function wantedLine(words: string): WantedLine | undefined {
  const choices = [
    ...words.matchAll(
      /\b(?:one of|either|words?|:)\s+((?:"?[A-Z][A-Z_-]+"?(?:\s*(?:,|\/|\||or|and)\s*)+)+"?[A-Z][A-Z_-]+"?)/g,
    ),
  ].at(-1);
  if (choices === undefined) return undefined;
  const list = [...choices[1]!.matchAll(/[A-Z][A-Z_-]+/g)]
    .map(([word]) => word)
    .filter((word) => word !== 'OR' && word !== 'AND');
  const label = [...words.matchAll(/\b(?:word|label|line:?|with)\s+"?([A-Z][A-Z_-]{2,})"?/g)]
    .map((match) => match[1]!)
    .filter((word) => !list.includes(word))
    .at(-1);
  const token = [...words.matchAll(/\btoken\s+"?([0-9a-f]{8,64})\b/g)].at(-1)?.[1];
  return { label: label ?? 'ANSWER', token, words: list };
}

/** The largest number of a scale that is asked for (`1 to 10`, `0-100`), and its smallest. */
export function wantedScale(words: string): { readonly least: number; readonly most: number } | undefined {
  const match = [...words.matchAll(/\b(\d{1,3})\s*(?:to|-|\u2013|and|through)\s*(\d{1,4})\b/g)].at(-1);
  if (match === undefined) return undefined;
  const [least, most] = [Number(match[1]), Number(match[2])];
  return least < most ? { least, most } : undefined;
}
