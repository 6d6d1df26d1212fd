/**
 * Training texts as tokens, fast: the ids that the chat template and the tokenizer give, with the learnt ones marked.
 *
 * Rendering a Jinja template for each of a million texts would cost more than training on them, so the template's few
 * rules are written out here over a cache of words; a test holds the two to the same ids. What a message says never
 * becomes a control token.
 */
import { FiducialError, show } from '../../core/errors.ts';
import type { Message, Tool } from '../../models/model.ts';
import { tokenizerFromJson, type Tokenizer } from '../../network/tokenizer/index.ts';
import { makeTokenizerJson, specialTokens } from './tokenizer-file.ts';

/** A text as tokens. `learnt[i]` says that token i is to be predicted from those before it. */
export interface EncodedText {
  readonly ids: readonly number[];
  readonly learnt: readonly boolean[];
}

/** The lab's own tokenizer, made once. */
export function labTokenizer(): Tokenizer {
  return (own ??= tokenizerFromJson(makeTokenizerJson(), { file: 'the lab tokenizer' }));
}
let own: Tokenizer | undefined;

/**
 * @example encodeText({ messages: [{ role: 'user', content: 'Hello.' }, { role: 'assistant', content: 'Hello.' }],
 *   trained: [1] }).learnt // false for <s>, <user>, Hello, ., <bot>; true for Hello, ., </s>
 */
export function encodeText(text: {
  readonly messages: readonly Message[];
  readonly tools?: readonly Tool[];
  readonly trained: readonly number[];
}): EncodedText {
  const ids: number[] = [];
  const learnt: boolean[] = [];
  const add = (some: readonly number[], isLearnt: boolean): void => {
    for (const id of some) {
      ids.push(id);
      learnt.push(isLearnt);
    }
  };
  add([idOf(specialTokens.start)], false);
  if (text.tools !== undefined && text.tools.length > 0) {
    add([idOf(specialTokens.system)], false);
    add(encodePlain(`Tools:${text.tools.map(({ name }) => ` ${name}`).join('')}.`), false);
  }
  for (const [i, message] of text.messages.entries()) {
    const isLearnt = text.trained.includes(i);
    add([idOf(specialTokens[message.role])], false);
    add(encodePlain(message.content.trim()), isLearnt);
    for (const { tool, input } of message.calls ?? []) {
      add([idOf('<tool_call>')], isLearnt);
      add(encodePlain(`{"name": "${tool}", "arguments": ${pythonJson(input)}}`), isLearnt);
      add([idOf('</tool_call>')], isLearnt);
    }
    if (message.role === 'assistant') add([idOf(specialTokens.end)], isLearnt);
  }
  return { ids, learnt };
}

/** The ids of a text between control tokens. */
function encodePlain(text: string): readonly number[] {
  if (text === '') return [];
  const tokenizer = labTokenizer();
  // Only where every blank begins a token can words be encoded one by one; pieces with inner blanks are JSON's.
  if (text.includes('"') || text.includes('\n')) return tokenizer.encode(text);
  return text.split(' ').flatMap((word) => {
    let known = cache.get(word);
    if (known === undefined) {
      // A tokenizer of its own text start writes the blank that the word had before it.
      known = tokenizer.encode(word);
      if (cache.size > 20_000) cache.clear();
      cache.set(word, known);
    }
    return known;
  });
}
const cache = new Map<string, readonly number[]>();

const idCache = new Map<string, number>();
function idOf(token: string): number {
  let id = idCache.get(token);
  if (id === undefined) {
    id = labTokenizer().idOf(token);
    if (id === undefined) {
      throw new FiducialError(
        'lab.token',
        `the lab tokenizer has no ${show(token)}`,
        'Use the names of specialTokens.',
      );
    }
    idCache.set(token, id);
  }
  return id;
}

/** JSON with a blank behind colons and commas, as the template's `tojson` writes it. */
function pythonJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(pythonJson).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    return `{${Object.entries(value)
      .map(([key, item]) => `${JSON.stringify(key)}: ${pythonJson(item)}`)
      .join(', ')}}`;
  }
  return JSON.stringify(value);
}
