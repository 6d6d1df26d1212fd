/**
 * The lab's tokenizer as an ordinary `tokenizer.json` with its `tokenizer_config.json` and chat template.
 *
 * A Unigram model in which each word of the vocabulary, with the blank before it, is one token and outscores every other
 * cut; what is no word falls to letters, digits and signs, and other characters to bytes. A number is its digits. A word
 * behind a quote, bracket or line break is the same token as behind a blank: the normalizer joins it with U+FFFD and a
 * blank that the decoder takes out again; a stream of text holds that character back until what follows is known.
 * Round trips are exact but for texts that hold U+FFFD or U+2581. An unknown word may begin with a known one.
 */
import { vocabulary } from './vocabulary.ts';

/** Control tokens: what a chat consists of. */
export const specialTokens = {
  padding: '<pad>',
  unknown: '<unk>',
  start: '<s>',
  end: '</s>',
  system: '<sys>',
  user: '<user>',
  assistant: '<bot>',
  tool: '<tool>',
} as const;

/** Marks of a tool call; text of the reply that an open model's reader knows. */
const callMarks = ['<tool_call>', '</tool_call>'] as const;

const BLANK = '\u2581';
const JOIN = '\ufffd';

/** Signs behind which a word is still a word. */
const openers = ['"', '(', '[', '\n'] as const;

/** Whole pieces of a tool call's JSON, as the normalizer leaves it. */
const scaffolds = [' {"name": "', '", "arguments": {"', '": "', '", "', '"}}', '", "arguments": {}}'] as const;

const WORD_SCORE = -1;
const SCAFFOLD_SCORE = -1;
const INITIAL_SCORE = -9;
const CHARACTER_SCORE = -10;
const BYTE_SCORE = -40;

/** A `tokenizer.json`, as JSON values. @example tokenizerFromJson(makeTokenizerJson()).encode('Hello.') */
export function makeTokenizerJson() {
  const specials = Object.values(specialTokens);
  const vocab: [string, number][] = [
    ...[...specials, ...callMarks].map((token): [string, number] => [token, 0]),
    ...vocabulary.map((word): [string, number] => [BLANK + word, WORD_SCORE]),
    ...scaffolds.map((text): [string, number] => [normalized(text), SCAFFOLD_SCORE]),
    ...characters
      .filter((character) => /[A-Za-z0-9]/.test(character) && !isWord(character))
      .map((character): [string, number] => [BLANK + character, INITIAL_SCORE]),
    ...[BLANK, JOIN, '\n', '\t', ...characters].map((character): [string, number] => [character, CHARACTER_SCORE]),
    ...bytes.map((byte): [string, number] => [`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`, BYTE_SCORE]),
  ];
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [...specials, ...callMarks].map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: id < specials.length,
    })),
    normalizer: {
      type: 'Sequence',
      normalizers: [
        ...openers.map((opener) => ({
          type: 'Replace',
          pattern: { Regex: `${opener === '\n' ? String.raw`\n` : opener === '"' ? '"' : `\\${opener}`}(?=[A-Za-z])` },
          content: `${opener}${JOIN}${BLANK}`,
        })),
        { type: 'Replace', pattern: { String: ' ' }, content: BLANK },
        { type: 'Prepend', prepend: BLANK },
      ],
    },
    pre_tokenizer: null,
    post_processor: null,
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Replace', pattern: { String: JOIN + BLANK }, content: '' },
        { type: 'Replace', pattern: { String: BLANK }, content: ' ' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: { type: 'Unigram', unk_id: specials.indexOf(specialTokens.unknown), byte_fallback: true, vocab },
  };
}

/** A `tokenizer_config.json` with the chat template. */
export function makeTokenizerConfig() {
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: specialTokens.start,
    eos_token: specialTokens.end,
    pad_token: specialTokens.padding,
    unk_token: specialTokens.unknown,
    add_bos_token: false,
    add_eos_token: false,
    clean_up_tokenization_spaces: false,
    model_max_length: 512,
    chat_template: chatTemplate,
  };
}

/**
 * One token a turn, the reply ends with `</s>`. Tools are listed by name only, before everything else; a reply's calls
 * stand behind its text as Hermes models write them.
 */
export const chatTemplate = [
  '{{- bos_token }}',
  "{%- if tools %}{{- '<sys>Tools:' }}{%- for tool in tools %}{{- ' ' + tool.function.name }}{%- endfor %}{{- '.' }}{%- endif %}",
  '{%- for message in messages %}',
  "{%- if message.role == 'system' %}{{- '<sys>' + (message.content | trim) }}",
  "{%- elif message.role == 'user' %}{{- '<user>' + (message.content | trim) }}",
  "{%- elif message.role == 'tool' %}{{- '<tool>' + (message.content | trim) }}",
  "{%- elif message.role == 'assistant' %}{{- '<bot>' + (message.content | trim) }}",
  '{%- for call in message.tool_calls or [] %}',
  `{{- '<tool_call>{"name": "' + call.function.name + '", "arguments": ' + (call.function.arguments | tojson) + '}</tool_call>' }}`,
  '{%- endfor %}{{- eos_token }}',
  "{%- else %}{{- raise_exception('a role is system, user, assistant or tool, not ' + message.role) }}{%- endif %}",
  '{%- endfor %}',
  "{%- if add_generation_prompt %}{{- '<bot>' }}{%- endif %}",
].join('');

const characters = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).filter(
  (character) => character !== ' ',
);
/** Control characters without tokens of their own, and every byte that UTF-8 uses beyond ASCII. */
const bytes = Array.from({ length: 0xf5 }, (_, i) => i).filter(
  (byte) => (byte < 32 && byte !== 9 && byte !== 10) || (byte >= 127 && byte !== 0xc0 && byte !== 0xc1),
);

const words = new Set(vocabulary);
const isWord = (text: string): boolean => words.has(text);

/** A piece as the normalizer leaves it; the blank of a word that follows belongs to that word. */
function normalized(text: string): string {
  return text
    .replaceAll(/(["([\n])(?=[A-Za-z])/g, `$1${JOIN}${BLANK}`)
    .replace(/"$/, `"${JOIN}`)
    .replaceAll(' ', BLANK);
}
